# Runs the PostgreSQL server "$@" as long as standard input, a pipe that Switchboard holds, stays
# open. The kernel closes the pipe even when Switchboard is killed, so a server never outlives it.

# Signals to the whole group (closed terminal, stopping service manager) are handled by Switchboard.
trap '' HUP INT TERM

exec 3<&0 </dev/null
"$@" 3<&- &
server=$!

# SIGINT is PostgreSQL's "fast shutdown". It is repeated because a server that has only just been
# started does not handle it yet; further signals change nothing.
(
    read -r _ <&3
    while kill -INT "$server"; do sleep 0.2 || sleep 1; done
) 2>/dev/null &
watcher=$!
exec 3<&-

wait "$server"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
