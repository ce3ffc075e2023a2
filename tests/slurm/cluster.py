"""A SLURM cluster of one node on this machine: `python -m tests.slurm.cluster start`, then `stop`.

The packages' daemons run as root, without systemd. The node poses as one of 16 cores, 64 GB and a GPU,
whatever the machine has: partitions cpu and gpu for jobs, and high, whose jobs preempt those of the two. A machine that
has a SLURM of its own is left alone.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
ETC = Path("/etc/slurm")  # where the executor plugin's jobs look for the configuration
FOLDER = Path("/var/tmp/tzip-slurm")
HEALTHY = 60  # seconds until the node must be idle

SLURM_CONF = """\
ClusterName=tzip
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobcomp.txt
MinJobAge=3600
KillWait=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=DEFAULT CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=64000
NodeName={host} NodeAddr=127.0.0.1 Gres=gpu:1 State=UNKNOWN
PartitionName=DEFAULT Nodes={host} MaxTime=1-00:00:00 DefaultTime=00:10:00 DefMemPerCPU=500 State=UP
PartitionName=cpu Default=YES PriorityTier=1
PartitionName=gpu PriorityTier=1
PartitionName=high PriorityTier=10 PreemptMode=OFF
"""
GRES_CONF = "NodeName={host} Name=gpu File=/dev/null\n"


def missing() -> str:
    """Why no cluster can be started here, in one line; empty if one can."""
    if os.geteuid() != 0:
        return "SLURM's daemons are started as root here, and this is another user"
    absent = [name for name in ("munged", "slurmctld", "slurmd", "sinfo") if not shutil.which(name, path=path())]
    if absent:
        return f"{absent[0]} is missing; on Debian: apt-get install {' '.join(PACKAGES)}"
    conf = ETC / "slurm.conf"
    if conf.exists() and conf.resolve().parent != FOLDER:
        return f"{conf} is there already: this machine has a SLURM of its own"
    return ""


def path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": path()}


def ask(*command: str) -> str:
    """What one of SLURM's commands prints; empty where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    return done.stdout.strip() if done.returncode == 0 else ""


def state() -> str:
    """The node's state as `sinfo` tells it, or nothing."""
    return ask("sinfo", "--noheader", "--partition=cpu", "--format=%T")


def start() -> None:
    """Write the configuration, start the daemons, wait until the node is idle; RuntimeError if it is not."""
    if why := missing():
        raise RuntimeError(why)
    stop()
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool", "log"):
        (FOLDER / name).mkdir(parents=True)
    ETC.mkdir(exist_ok=True)
    for name, text in (("slurm.conf", SLURM_CONF), ("gres.conf", GRES_CONF)):
        (FOLDER / name).write_text(text.format(host=host, folder=FOLDER))
        (ETC / name).unlink(missing_ok=True)
        (ETC / name).symlink_to(FOLDER / name)
    if not ask("munge", "--no-input"):
        run = Path("/run/munge")
        run.mkdir(exist_ok=True)
        shutil.chown(run, "munge", "munge")
        subprocess.run(["runuser", "-u", "munge", "--", "munged"], check=True, env=environment())
    daemon("slurmctld", "-D")
    daemon("slurmd", "-D", "-N", host)
    deadline = time.monotonic() + HEALTHY
    while state() != "idle":
        if time.monotonic() > deadline:
            told = "".join(log.read_text()[-600:] for log in sorted((FOLDER / "log").glob("*.log")))
            stop()
            raise RuntimeError(f"the node is not idle after {HEALTHY} s; the end of the logs:\n{told}")
        time.sleep(0.3)


def daemon(name: str, *arguments: str) -> None:
    """Start one in the background, with its number on file."""
    with open(FOLDER / "log" / f"{name}.out", "w") as out:
        streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
        process = subprocess.Popen([name, *arguments], start_new_session=True, env=environment(), **streams)
    (FOLDER / f"{name}.started").write_text(str(process.pid))


def stop() -> None:
    """Cancel all jobs, end the daemons that `start` started, remove its files."""
    if not FOLDER.exists():
        return
    ask("scancel", "--user=root")
    for name in ("slurmd", "slurmctld"):
        started = FOLDER / f"{name}.started"
        if started.exists():
            end(int(started.read_text()), name)
    for name in ("slurm.conf", "gres.conf"):
        if (ETC / name).is_symlink() and (ETC / name).resolve().parent == FOLDER:
            (ETC / name).unlink()
    shutil.rmtree(FOLDER, ignore_errors=True)


def end(process: int, name: str) -> None:
    """End a daemon, if this is still its number; by force after five seconds."""
    for attempt in range(50):
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes()
            if name.encode() not in command:  # ended, or a zombie, or another's number
                return
            if attempt in (0, 49):
                os.kill(process, 9 if attempt else 15)
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("start", "stop"))
    what = parser.parse_args().what
    try:
        start() if what == "start" else stop()
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    if what == "start":
        print(ask("sinfo"))


if __name__ == "__main__":
    main()
