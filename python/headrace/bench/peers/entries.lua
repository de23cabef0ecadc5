-- wrk script: posts bodies of log entries, one a line, in turn. They are made when a second begins, with times of that second.
local bodies, entries = 20, tonumber("@batch")
local texts, requests, second, at = {}, {}, 0, 0

local function hexadecimal(digits)
  local text = {}
  for place = 1, digits do text[place] = string.format("%x", math.random(0, 15)) end
  return table.concat(text)
end

function init()
  for number = 1, bodies * entries do
    texts[number] = string.format(
      "order %s of customer %s: %d articles, paid by card, %d ms at the bank",
      hexadecimal(12), hexadecimal(32), math.random(1, 8), math.random(0, 1999))
  end
end

local function body(number, stamp)
  local lines = {}
  for entry = 1, entries do
    lines[entry] = string.format(
      '{"Level": "INFO", "Timestamp": "%s.%06dZ", "Source": "shop", "Message": "%s"}',
      stamp, math.random(0, 999999), texts[(number - 1) * entries + entry])
  end
  return table.concat(lines, "\n")
end

function request()
  local now = os.time()
  if now ~= second then
    second = now
    local stamp = os.date("!%Y-%m-%dT%H:%M:%S", now)
    for number = 1, bodies do
      requests[number] = wrk.format("POST", "/", {["Content-Type"] = "application/x-ndjson"}, body(number, stamp))
    end
  end
  at = at % bodies + 1
  return requests[at]
end
