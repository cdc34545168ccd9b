/** The configuration file: YAML with the same settings as the command line. */
import { readFile } from 'node:fs/promises';
import { MailprocError } from '../core/errors.ts';
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
  return readSettings(document as Record<string, unknown>, path);
}

/** `values` by the names of the settings; `origin` names their source in errors. */
export async function readSettings(
  values: Readonly<Record<string, unknown>>,
  origin: string,
): Promise<GivenSettings> {
  const given: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    if (!isSettingName(key)) throw await unknownKey(key, origin);
    given[key] = definitions[key].read(value, `${key} in ${origin}`);
  }
  return given as GivenSettings;
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
    throw new MailprocError('config.unreadable', `read configuration ${path}: ${(cause as Error).message}`, {
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
