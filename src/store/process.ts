/** Who else is at work on this machine. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { kill, pid } from 'node:process';

/** Whether a process of this machine with that id exists, under whatever user. */
export function isAlive(processId: number): boolean {
  try {
    kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A process, told apart from all others of all times. */
export interface Run {
  /** Where process ids mean the same: a machine since its start, and the container in it. */
  readonly host: string;
  readonly processId: number;
  /** Of the process, in clock ticks of its machine; empty where the system does not tell. */
  readonly startTime: string;
}

export function thisRun(): Run {
  const parts = [
    hostname(),
    orEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    orEmpty(() => readlinkSync('/proc/self/ns/pid')),
  ];
  return { host: parts.join(' ').trim(), processId: pid, startTime: processStatus(pid)?.startTime ?? '' };
}

/** False where `run` is over for certain: of another host nothing can be known. */
export function mayBeAlive(run: Run, own: Run = thisRun()): boolean {
  if (run.host !== own.host) return true;
  if (!isAlive(run.processId)) return false;
  const status = processStatus(run.processId);
  // Hidden from us, or there is no /proc.
  if (status === undefined) return true;
  // Killed but not yet waited for by its parent: in containers often never.
  if (status.state === 'Z' || status.state === 'X') return false;
  return run.startTime === '' || run.startTime === status.startTime;
}

/** `/proc/<pid>/stat`, proc_pid_stat(5): fields 3 and 22. The command's name before may hold anything. */
function processStatus(processId: number): { state: string; startTime: string } | undefined {
  const text = orEmpty(() => readFileSync(`/proc/${processId}/stat`, 'latin1'));
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

/** These files are Linux's. */
function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
