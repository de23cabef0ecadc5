-- wrk script: posts the collections of a file, one a line, in turn; each connection waits so many milliseconds in between.
local requests, at, pause = {}, 0, tonumber("@pause")

function init()
  for line in io.lines("@collections") do
    requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

if pause > 0 then
  function delay() return pause end
end
