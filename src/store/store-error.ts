/** Trouble of the file system under a store, in the operator's words. */
import { AssertionError } from 'node:assert';
import { MailprocError } from '../core/errors.ts';

/** `action` reads "what was being done, to what". Returns a `MailprocError` as it is, throws a bug as it is. */
export function fileError(error: unknown, action: string): MailprocError {
  if (error instanceof MailprocError) return error;
  if (error instanceof AssertionError || error instanceof TypeError) throw error;
  const { code, message } = error as NodeJS.ErrnoException;
  const [storeCode, text, hint] = known(code) ?? ['store.failed', message ?? String(error), undefined];
  return new MailprocError(storeCode, `${action}: ${text}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

export function leaseLost(url: string): MailprocError {
  return new MailprocError('store.lease-lost', `renew a lease in ${url}: another run has taken over`, {
    hint: 'nothing is lost: the other run stores these mails; see why this one paused so long',
  });
}

/** Of a store that is only read: it must not be made by looking at it. */
export function missingFile(path: string): MailprocError {
  return new MailprocError('store.missing', `open ${path}: there is no such file`, {
    hint: 'check the name; the file is made by the first run that stores mails in it',
  });
}

function known(code: string | undefined): readonly [string, string, string | undefined] | undefined {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return ['store.full', 'no space is left', 'make room and run again: what is stored is not read twice'];
    case 'EFBIG':
      return [
        'store.full',
        'the file may not grow any more',
        'raise the limit (`ulimit -f`) or start a new file',
      ];
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return [
        'store.not-writable',
        'permission denied',
        'give the user that runs mailproc the right to write',
      ];
    case 'ENOENT':
      return ['store.not-writable', 'the directory does not exist', 'create the directory first'];
    case 'EISDIR':
      return ['store.not-writable', 'it is no regular file', 'name a file'];
    case 'ENOTDIR':
      return ['store.not-writable', 'a file stands where a directory should be', undefined];
    default:
      return undefined;
  }
}
