/** The error of a thread that has ended by itself: a mistake of ours, or too little memory. */
import { MailprocError } from '../core/errors.ts';

/** `what` it was doing, as in "read captures by worker 1 of 2". */
export function workerDied(what: string, cause: Error): MailprocError {
  return new MailprocError('worker.died', `${what}: ${cause.message}`, {
    hint: 'what is stored is whole; run it again to go on, with --jobs 1 if memory is short',
    cause,
  });
}
