# Ctrl-C in a shell loop around mq ends the loop: bash goes on only when the program seems to have handled it.
mkfifo pipe
python3 - <<'P'
import os, signal, subprocess, time
signal.signal(signal.SIGINT, signal.default_int_handler)
loop = subprocess.Popen(["bash", "-c", "for i in 1 2 3; do echo turn $i; mq inspect - <pipe; done; echo after"],
                        start_new_session=True)
end = os.open("pipe", os.O_WRONLY)
time.sleep(0.2)
os.killpg(loop.pid, signal.SIGINT)
os.close(end)
print("loop", loop.wait())
P
