/** The configuration file: YAML with the same settings as the command line. */
import { readFile } from 'node:fs/promises';
import { MailprocError } from '../core/errors.ts';
import { systemReason } from '../core/system-reason.ts';
import { definitions, type SettingName, type Settings, settingNames } from './options.ts';

/** Settings that were really given; the others keep their defaults. */
export type GivenSettings = { -readonly [Name in SettingName]?: Settings[Name] };

export async function readConfigFile(path: string): Promise<GivenSettings> {
  const document = await parseYaml(await readText(path), path);
  if (document === null || document === undefined) return {};
  if (typeof document !== 'object' || Array.isArray(document)) {
    throw new MailprocError('config.syntax', `read configuration ${path}: settings expected, one a line`, {
      hint: 'for example "store: sqlite:/var/lib/mailproc/mail.sqlite"',
    });
  }
  const unknown = Object.keys(document).find((key) => !isSettingName(key));
  if (unknown !== undefined) throw await unknownKey(unknown, path);
  return readSettings(document, (name) => `${name} in ${path}`);
}

/** `placeOf` names in errors where a setting was given. */
export function readSettings(
  values: { readonly [Name in SettingName]?: unknown },
  placeOf: (name: SettingName) => string,
): GivenSettings {
  const names = settingNames.filter((name) => Object.hasOwn(values, name));
  return Object.fromEntries(names.map((name) => [name, definitions[name].read(values[name], placeOf(name))]));
}

/** Earlier sources win; what nobody gave gets its default. */
export function settle(...sources: readonly GivenSettings[]): Settings {
  const entries = settingNames.map((name) => {
    const given = sources.find((source) => source[name] !== undefined);
    return [name, given ? given[name] : definitions[name].fallback()] as const;
  });
  return Object.fromEntries(entries) as unknown as Settings;
}

function isSettingName(key: string): key is SettingName {
  return Object.hasOwn(definitions, key);
}

async function unknownKey(key: string, origin: string): Promise<MailprocError> {
  const { closest } = await import('fastest-levenshtein');
  const nearest = closest(key, [...settingNames]);
  return new MailprocError('config.unknown-key', `read configuration ${origin}: unknown key "${key}"`, {
    hint: `did you mean "${nearest}"? The keys are ${settingNames.join(', ')}`,
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new MailprocError('config.unreadable', `read configuration ${path}: ${systemReason(cause)}`, {
      hint: 'give the path of a readable YAML file with --config',
      cause,
    });
  }
}

async function parseYaml(text: string, path: string): Promise<unknown> {
  const { parse } = await import('yaml');
  try {
    return parse(text);
  } catch (cause) {
    const [firstLine = ''] = (cause as Error).message.split('\n');
    throw new MailprocError('config.syntax', `read configuration ${path}: ${firstLine}`, { cause });
  }
}
