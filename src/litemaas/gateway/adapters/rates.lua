-- How do workers share rate limits? One message of one worker, executed in one step; see gateway/rate_messages.py.
--
-- <P>:memory           hash    that it exists means that this store remembers. quiet, settles = until then nothing is given out:
--                              at all; while there are members that have not told
-- <P>:members          hash    member → end of its lease (ms); 0 = others say that it exists, it has not told yet
-- <P>:w:<scope>        hash    i = id, s = beginning (ms), r, t = requests, tokens given out; r:<m>, f:<m>, t:<m> = a member's
--                              requests, those of them that it may still have idle, and its tokens
-- <P>:p:<scope>        hash    member → places given out to it
-- <P>:begun            zset    scope → beginning of its window
-- <P>:placed           set     scopes on which places are given out
local P, CHANNEL = KEYS[1], KEYS[1] .. ':news'
local WINDOW, LEASE, HUSH, UNSETTLED = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local QUIET, RECALL_EVERY, PLACES_LAST = 1000, 100, 600000
local call = redis.call
local me, deadline, kind, known, told, draws, dead = unpack(cmsgpack.unpack(ARGV[1]))
local joins = kind == 'join' or kind == 'telling'
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function answer(status, members, verdicts, views, begun, placed, pause)
  return cmsgpack.pack({status, now, members or {}, verdicts or {}, views or {}, begun or {}, placed or {}, pause or 0})
end

local function publish(what, scope)
  call('PUBLISH', CHANNEL, cmsgpack.pack({what, scope, me}))
end

if deadline > 0 and now > deadline then
  return answer('late')
end

-- -- members ---------------------------------------------------------------------------------------------------------

local memory = call('HMGET', P .. ':memory', 'quiet', 'settles')
local quiet, settles = tonumber(memory[1] or nil), tonumber(memory[2] or nil)
local members, hushed, count, untold = {}, {}, 0, false

local function count_members()
  members, hushed, count, untold = {}, {}, 0, false
  local flat = call('HGETALL', P .. ':members')
  for i = 1, #flat, 2 do
    local id, lease = flat[i], tonumber(flat[i + 1])
    if lease == 0 and id ~= me and (not settles or now >= settles or settles > now + UNSETTLED) then -- it had its time
      call('HDEL', P .. ':members', id)
      lease = nil
    elseif lease > now + LEASE then -- the clock was put back
      lease = now + LEASE
      call('HSET', P .. ':members', id, lease)
    end
    if lease then
      members[id] = lease
      count = count + 1
      if lease < now + LEASE - HUSH and id ~= me then
        hushed[#hushed + 1] = id
        untold = untold or lease == 0
      end
    end
  end
end

local function listed()
  local list = {}
  for id, lease in pairs(members) do
    list[#list + 1] = {id, lease < now}
  end
  return list
end

count_members()

local function worker_of(id)
  return string.match(id, '^(.*)/[^/]*$') or id
end

local function enter()
  if not settles then
    quiet, settles = now, now + UNSETTLED
    if #known == 0 then quiet = now + QUIET end -- by somebody new, who cannot say whether there are others
    call('HSET', P .. ':memory', 'quiet', quiet, 'settles', settles)
    publish('lost', '')
  end
  if now < settles then
    for _, id in ipairs(known) do
      if not members[id] and worker_of(id) ~= worker_of(me) then
        call('HSET', P .. ':members', id, 0)
      end
    end
  end
  for id in pairs(members) do
    if id ~= me and worker_of(id) == worker_of(me) then -- an earlier life
      call('HDEL', P .. ':members', id)
    end
  end
  if kind == 'join' then
    call('HSET', P .. ':members', me, now + LEASE)
  elseif not members[me] then
    call('HSET', P .. ':members', me, 0) -- the rest is still to come
  end
  count_members()
end

-- -- scopes ----------------------------------------------------------------------------------------------------------

local function window_of(scope)
  local flat = call('HGETALL', P .. ':w:' .. scope)
  local window = {scope = scope, key = P .. ':w:' .. scope, id = 0, r = 0, t = 0, part = {}}
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = tonumber(flat[i + 1]) or 0
  end
  local began = fields.s
  if not began or now >= began + WINDOW then
    return window
  end
  if began > now then -- the clock was put back: at most one more window's length
    began = now
    call('HSET', window.key, 's', began)
  end
  window.id, window.began, window.r, window.t, window.part = fields.i, began, fields.r, fields.t, fields
  return window
end

local function begin_window(window, began)
  call('DEL', window.key)
  call('HSET', window.key, 'i', began, 's', began, 'r', 0, 't', 0)
  call('PEXPIRE', window.key, WINDOW * 2)
  call('ZADD', P .. ':begun', began, window.scope)
  window.id, window.began, window.r, window.t, window.part = began, began, 0, 0, {}
  if count > 1 then
    publish('begun', window.scope)
  end
end

local function places_of(scope)
  local key = P .. ':p:' .. scope
  local flat = call('HGETALL', key)
  local places = {scope = scope, key = key, total = 0, part = {}}
  for i = 1, #flat, 2 do
    if members[flat[i]] then
      places.part[flat[i]] = tonumber(flat[i + 1])
      places.total = places.total + places.part[flat[i]]
    else
      call('HDEL', key, flat[i])
    end
  end
  return places
end

local function set_places(places, mine)
  local before = places.total
  places.total = before - (places.part[me] or 0) + mine
  places.part[me] = mine
  if mine > 0 then
    call('HSET', places.key, me, mine)
    call('PEXPIRE', places.key, PLACES_LAST)
  else
    call('HDEL', places.key, me)
  end
  if before == 0 and places.total > 0 then
    call('SADD', P .. ':placed', places.scope)
    if count > 1 then publish('placed', places.scope) end
  elseif places.total == 0 then
    call('SREM', P .. ':placed', places.scope)
    if count > 1 and before > 0 then publish('cleared', places.scope) end
  end
end

local function view(window, places, got_r, got_t, got_p, short, hope)
  local remaining = 0
  if window.id > 0 then remaining = window.began + WINDOW - now end
  return {
    window.id, remaining, window.r, window.t, places and places.total or 0, got_r or 0, got_t or 0, got_p or 0,
    short or 0, hope or 0,
  }
end

-- -- what a worker tells ---------------------------------------------------------------------------------------------

local function hear(scope, id, age, requests, idle, tokens, mine)
  local window = window_of(scope)
  if age < 0 and joins and window.id > 0 and window.id ~= id and window.part['r:' .. me] then
    age, requests, idle, tokens = 0, 0, 0, 0 -- what it was given of this window never arrived
  end
  if age >= 0 then
    if window.id == 0 and joins then
      begin_window(window, now - age)
    end
    if window.id > 0 and (joins or window.id == id) then
      window.r = window.r + requests - (window.part['r:' .. me] or 0)
      window.t = window.t + tokens - (window.part['t:' .. me] or 0)
      call('HSET', window.key, 'r', window.r, 't', window.t, 'r:' .. me, requests, 'f:' .. me, idle, 't:' .. me, tokens)
    end
  end
  local places = nil
  if mine >= 0 then
    places = places_of(scope)
    set_places(places, mine)
  end
  return view(window, places)
end

-- -- what a worker draws ---------------------------------------------------------------------------------------------

local function kept(limit, part, prefix)
  -- What members that we do not hear may be using without us, beyond what they were given.
  local share, sum = math.ceil(limit / count), 0
  for _, id in ipairs(hushed) do
    sum = sum + math.max(0, share - (part[prefix .. id] or 0))
  end
  return sum
end

local function others_have(part, prefix)
  for id, lease in pairs(members) do
    if id ~= me and lease >= now and (part[prefix .. id] or 0) > 0 then
      return true
    end
  end
  return false
end

local function slice(rest)
  -- Some more than was asked for, so that not every call has to ask: all if nobody else is there.
  if count == 1 then return rest end
  return math.floor(rest / (2 * count))
end

local function look(want)
  local scope, rpm, tpm, parallel, lack_r, lack_t, lack_p = unpack(want)
  local it = {want = want, window = window_of(scope), short = 0, hope = 0}
  if parallel >= 0 then it.places = places_of(scope) end
  local function check(limit, lack, given, part, prefix, idle, bit)
    if limit < 0 or lack <= 0 then return 0 end
    local reserve = kept(limit, part, prefix)
    local left = limit - given - reserve
    if lack > left then
      it.short = it.short + bit
      if others_have(part, idle) then it.hope = it.hope + bit end
      if reserve > 0 and it.hope < 8 then it.hope = it.hope + 8 end
    end
    return left
  end
  it.left_r = check(rpm, lack_r, it.window.r, it.window.part, 'r:', 'f:', 1)
  it.left_t = check(tpm, lack_t, it.window.t, it.window.part, 't:', 't:', 2)
  it.left_p = check(parallel, lack_p, it.places and it.places.total or 0, it.places and it.places.part or {}, '', '', 4)
  return it
end

local function grant(it)
  local scope, rpm, tpm, parallel, lack_r, lack_t, lack_p = unpack(it.want)
  local window, got_r, got_t, got_p = it.window, 0, 0, 0
  if rpm >= 0 and lack_r > 0 then got_r = lack_r + slice(it.left_r - lack_r) end
  if tpm >= 0 and lack_t > 0 then got_t = lack_t + slice(it.left_t - lack_t) end
  if parallel >= 0 and lack_p > 0 then got_p = lack_p + slice(it.left_p - lack_p) end
  if got_r > 0 or got_t > 0 then
    if window.id == 0 then begin_window(window, now) end
    window.r, window.t = window.r + got_r, window.t + got_t
    call('HSET', window.key, 'r', window.r, 't', window.t)
    call('HINCRBY', window.key, 'r:' .. me, got_r)
    call('HINCRBY', window.key, 'f:' .. me, math.max(0, got_r - lack_r))
    call('HINCRBY', window.key, 't:' .. me, got_t)
  end
  if got_p > 0 then set_places(it.places, (it.places.part[me] or 0) + got_p) end
  return view(window, it.places, got_r, got_t, got_p)
end

local function pause()
  if untold then return settles - now end
  if now < quiet and quiet - now <= QUIET then return quiet - now end
  return 0
end

local function draw(wants)
  local looks, granted, lacks = {}, true, false
  for i, want in ipairs(wants) do
    looks[i] = look(want)
    granted = granted and looks[i].short == 0
    lacks = lacks or want[5] > 0 or want[6] > 0 or want[7] > 0
  end
  if granted and lacks and pause() > 0 then granted = false end
  local views = {}
  for i, it in ipairs(looks) do
    if granted then
      views[i] = grant(it)
    else
      if it.hope % 8 > 0 and call('SET', P .. ':r:' .. it.want[1], 1, 'NX', 'PX', RECALL_EVERY) then
        publish('recall', it.want[1])
      end
      views[i] = view(it.window, it.places, 0, 0, 0, it.short, it.hope)
    end
  end
  return {granted, views}
end

-- -- the message -----------------------------------------------------------------------------------------------------

if joins then
  enter()
elseif not settles or not members[me] or members[me] < now then
  return answer('unknown')
elseif kind == 'leave' then
  call('HDEL', P .. ':members', me)
  return answer('ok')
else
  for _, id in ipairs(dead) do
    if members[id] and members[id] < now then call('HDEL', P .. ':members', id) end
  end
  call('HSET', P .. ':members', me, now + LEASE)
  if kind == 'refresh' then call('ZREMRANGEBYSCORE', P .. ':begun', '-inf', now - WINDOW) end
  count_members()
end

local views, verdicts, begun, placed = {}, {}, {}, {}
for i, one in ipairs(told) do
  views[i] = hear(unpack(one))
end
for i, wants in ipairs(draws) do
  verdicts[i] = draw(wants)
end
if kind == 'join' then
  local flat = call('ZRANGEBYSCORE', P .. ':begun', '(' .. (now - WINDOW), '+inf', 'WITHSCORES')
  for i = 1, #flat, 2 do
    begun[#begun + 1] = {flat[i], now - tonumber(flat[i + 1])}
  end
  for _, scope in ipairs(call('SMEMBERS', P .. ':placed')) do
    if places_of(scope).total > 0 then
      placed[#placed + 1] = scope
    else -- its members are gone
      call('SREM', P .. ':placed', scope)
    end
  end
end
return answer('ok', listed(), verdicts, views, begun, placed, pause())
