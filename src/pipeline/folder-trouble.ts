/** Whether this process may use a folder, asked before anything depends on it. */
import { access, constants, stat } from 'node:fs/promises';
import { systemReason } from '../core/system-reason.ts';

/** Why the folder cannot be used, in the operator's words; undefined where its files can be read, or made. */
export async function folderTrouble(path: string, use: 'read' | 'write'): Promise<string | undefined> {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    if (!(await stat(path)).isDirectory()) return 'it is no directory';
    await access(path, X_OK | (use === 'read' ? R_OK : W_OK));
    return undefined;
  } catch (error) {
    return systemReason(error);
  }
}
