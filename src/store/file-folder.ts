/**
 * Folders of what mails carried, as `SafeFolder` has made them. A folder of the same name may be somebody
 * else's, or hold notes of a person: only files that are named as mailproc names them are counted and removed.
 */
import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { fileError } from './store-error.ts';

export interface FileFolder {
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
}

/** Images and attachments, mails, and what was left by runs that were killed. */
const ownName =
  /-[0-9a-f]{12}-\d+-[0-9a-f]{8}\.[A-Za-z0-9]{1,10}$|^[0-9a-f]{32}(?:\.(?:partial|rebuilt)-[0-9a-f]{8})?\.eml$|^\.\d{1,10}-[0-9a-f]{16}\.part$/;

/** undefined where there is no folder (a symbolic link is none), or nothing of mailproc's in it. */
export async function measureFolder(path: string): Promise<FileFolder | undefined> {
  const status = await lstat(path).catch(() => undefined);
  if (status?.isDirectory() !== true) return undefined;
  try {
    let bytes = 0;
    const names = (await readdir(path)).filter((name) => ownName.test(name));
    for (const name of names) bytes += (await lstat(`${path}/${name}`)).size;
    return names.length === 0 ? undefined : { path, files: names.length, bytes };
  } catch (error) {
    throw fileError(error, `read folder ${path}`);
  }
}

/** Links in it are removed, not followed. A folder with other files in it stays, with these. */
export async function removeFolder(path: string): Promise<void> {
  try {
    for (const name of await readdir(path)) if (ownName.test(name)) await unlink(`${path}/${name}`);
    await rmdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT')
      throw fileError(error, `remove folder ${path}`);
  }
}
