/** Who else is at work on this machine. */
import { kill } from 'node:process';

/** Whether a process of this machine with that id exists, under whatever user. */
export function isAlive(processId: number): boolean {
  try {
    kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
