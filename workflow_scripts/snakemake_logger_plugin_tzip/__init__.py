"""A log for people: `snakemake --logger tzip` prints one line per job that ended, and of a failed one why.

Snakemake finds the plugin by its folder's name on PYTHONPATH. Its own log, with every command, is under .snakemake/log.
"""

import sys
import time
from logging import INFO, LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent


class LogHandler(LogHandlerBase):
    """Writes to stderr; a line names the rule, its wildcards and the seconds that it took."""

    writes_to_stream = True
    writes_to_file = has_filter = has_formatter = needs_rulegraph = False

    def __post_init__(self) -> None:
        self.jobs: dict[int, tuple[LogRecord, float]] = {}
        self.began, self.ended, self.total = time.monotonic(), 0, 0

    def emit(self, record: LogRecord) -> None:
        try:
            self.report(record)
        except Exception:  # an error here would end Snakemake's whole log
            self.handleError(record)

    def report(self, record: LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.total = record.stats["total"]
            self.say(f"{self.total} jobs to do")
        elif event == LogEvent.JOB_INFO:
            self.jobs[record.jobid] = record, time.monotonic()
        elif event == LogEvent.JOB_FINISHED:
            job, began = self.jobs[record.job_id]
            self.ended += 1
            self.say(f"{self.ended:{len(str(self.total))}}/{self.total}  {name(job)}  {time.monotonic() - began:.0f} s")
        elif event == LogEvent.JOB_ERROR:
            job, _ = self.jobs[record.jobid]
            self.say(f"FAILED  {name(job)}")
            for line in (f"command: {' '.join((job.shellcmd or '').split())}", *map(last_line, job.log or ())):
                print(f"        {line}", file=sys.stderr)
        elif event == LogEvent.ERROR or (event is None and record.levelno > INFO):
            self.say(record.getMessage())

    def say(self, line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"{minutes:3}:{seconds:02}  {line}", file=sys.stderr)


def name(job: LogRecord) -> str:
    """A job as 'rule wildcard wildcard'."""
    return " ".join([job.rule_name, *map(str, (job.wildcards or {}).values())])


def last_line(log: str) -> str:
    """The end of a job's log: of a command that failed, its error."""
    lines = Path(log).read_text(encoding="utf-8", errors="replace").split("\n") if Path(log).exists() else []
    return f"{log}: {next((line for line in reversed(lines) if line.strip()), 'empty')}"
