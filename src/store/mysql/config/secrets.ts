/** Passwords and certificates: read from where they are kept, never repeated in a message. */
import { stat } from 'node:fs/promises';
import { configError, readConfigText } from './config-error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The first line of a file. A file that others can read is worth a warning. */
export async function readPasswordFile(path: string, where: string, warnings: string[]): Promise<string> {
  const text = await readConfigText(path, `password file ${path} (${where})`);
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) warnings.push(`password file ${path} can be read by others: chmod 600 ${path}`);
  const [password = ''] = text.split(/\r?\n/, 1);
  if (password === '') throw configError(where, `password file ${path} begins with an empty line`);
  return password;
}

export function passwordFromEnvironment(name: string, environment: Environment, where: string): string {
  const password = environment[name];
  if (password !== undefined) return password;
  throw configError(
    where,
    `the environment variable ${name} is not set`,
    'set it to the password of the database user',
  );
}

/** The text of a file of PEM certificates. */
export async function readCertificates(path: string, where: string): Promise<string> {
  const text = await readConfigText(path, `certificates ${path} (${where})`);
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw configError(
    where,
    `${path} holds no certificate in PEM form`,
    'name the file of the authority that signed the server',
  );
}
