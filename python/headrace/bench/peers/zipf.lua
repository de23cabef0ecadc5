-- wrk script: asks for objects by a Zipf distribution (s = 1), drawn beforehand and the same in every run.
local objects, draws = tonumber("@objects"), 65536
local requests, at = {}, 0

local function drawn(sums)
  local wanted, low, high = math.random() * sums[objects], 1, objects
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sums[middle] < wanted then low = middle + 1 else high = middle end
  end
  return low
end

function init()
  local sums, formatted = {}, {}
  for rank = 1, objects do
    sums[rank] = (sums[rank - 1] or 0) + 1 / rank
    formatted[rank] = wrk.format("GET", "/@kind/" .. rank)
  end
  math.randomseed(1)
  for draw = 1, draws do requests[draw] = formatted[drawn(sums)] end
end

function request()
  at = at % draws + 1
  return requests[at]
end
