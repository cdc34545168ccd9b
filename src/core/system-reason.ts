/** Why the system refused, in the operator's words: Node's own texts repeat the path, and name calls of the system. */

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is no directory',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
  ENOSPC: 'no space is left',
  EDQUOT: 'no space is left',
  EIO: 'the disk cannot read or write it',
  ESTALE: 'the server has it no longer',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
};

/** What is not known here is told as the system tells it. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === undefined ? undefined : reasons[code]) ?? message ?? String(error);
}
