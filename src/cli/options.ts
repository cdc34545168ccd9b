/** Every setting once: its flag, its key in the configuration file, its help line and its reader. */
import { availableParallelism } from 'node:os';
import { MailprocError } from '../core/errors.ts';
import { dialogueLimits } from '../core/limits.ts';
import type { PortHints } from '../pipeline/job.ts';

/** Settings as they are used; each has a value. */
export interface Settings {
  readonly store: string;
  readonly images: string;
  readonly attachments: string | undefined;
  readonly messages: string | undefined;
  readonly keylog: string | undefined;
  readonly timezone: string;
  readonly ports: PortHints;
  readonly reprocess: boolean;
  readonly jobs: number;
  readonly mailMax: number;
  readonly spill: string | undefined;
  readonly json: boolean;
  readonly log: 'text' | 'json';
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly progress: boolean;
}

export type SettingName = keyof Settings;

interface Definition<Value> {
  /** As commander writes it. */
  readonly flags: string;
  readonly help: string;
  readonly fallback: () => Value;
  /** Reads the value of the flag (text) or of the configuration file (text, number, list, map, boolean). */
  readonly read: (value: unknown, name: string) => Value;
}

export const definitions: { readonly [Name in SettingName]: Definition<Settings[Name]> } = {
  store: {
    flags: '--store <url>',
    help: 'where rows go: sqlite:FILE, ndjson:FILE, ndjson:-, mysql://USER@HOST, cluster:FILE or mycat:DIR (default "sqlite:mailproc.sqlite")',
    fallback: () => 'sqlite:mailproc.sqlite',
    read: readText,
  },
  images: {
    flags: '--images <dir>',
    help: 'folder for images, one subfolder a capture (default "image")',
    fallback: () => 'image',
    read: readText,
  },
  attachments: {
    flags: '--attachments <dir>',
    help: 'write attachments that are no image too, one subfolder a capture',
    fallback: () => undefined,
    read: readText,
  },
  messages: {
    flags: '--messages <dir>',
    help: "write each mail's own octets too, as <day>/<mail_key>.eml",
    fallback: () => undefined,
    read: readText,
  },
  keylog: {
    flags: '--keylog <file>',
    help: 'TLS secrets in NSS key log format (SSLKEYLOGFILE)',
    fallback: () => undefined,
    read: readText,
  },
  timezone: {
    flags: '--timezone <zone>',
    help: "IANA name of the zone of days and time stamps (default: the machine's)",
    fallback: machineTimeZone,
    read: readText,
  },
  ports: {
    flags: '--ports <list>',
    help: 'further mail ports, for example "smtp=2525;pop3=1110;imap=1143,2143"',
    fallback: () => new Map(),
    read: readPorts,
  },
  reprocess: {
    flags: '--reprocess',
    help: 'delete what is stored of these captures and read them anew',
    fallback: () => false,
    read: readBoolean,
  },
  jobs: {
    flags: '--jobs <n>',
    help: 'threads that read captures of 16 MiB and more (default: the number of processors, 8 at most)',
    // Each thread reads all packets: behind eight of them that is what takes the time.
    fallback: () => Math.min(availableParallelism(), 8),
    read: readJobs,
  },
  mailMax: {
    flags: '--mail-max <size>',
    help: 'keep so much of one mail, for example 64M; larger ones are cut (default 64M)',
    fallback: () => dialogueLimits.messageBytesMax,
    read: readSize,
  },
  spill: {
    flags: '--spill <dir>',
    help: "folder for what memory has no room for (default: the system's for temporary files)",
    fallback: () => undefined,
    read: readText,
  },
  json: {
    flags: '--json',
    help: 'print the report as JSON',
    fallback: () => false,
    read: readBoolean,
  },
  log: {
    flags: '--log <form>',
    help: 'what is said on stderr: text for people (default), or json, one object a line',
    fallback: () => 'text',
    read: readLogForm,
  },
  quiet: {
    flags: '--quiet',
    help: 'print nothing but errors',
    fallback: () => false,
    read: readBoolean,
  },
  verbose: {
    flags: '--verbose',
    help: 'name every anomaly on stderr',
    fallback: () => false,
    read: readBoolean,
  },
  progress: {
    flags: '--no-progress',
    help: 'no progress bar (shown on a terminal only)',
    fallback: () => true,
    read: readBoolean,
  },
};

export const settingNames = Object.keys(definitions) as readonly SettingName[];

function machineTimeZone(): string {
  const { TZ } = process.env;
  // POSIX: nothing is UTC.
  if (TZ === '') return 'UTC';
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  // Undefined in spite of its type where TZ names no zone.
  if (timeZone !== undefined && timeZone !== 'Etc/Unknown') return timeZone;
  const what =
    TZ === undefined ? 'it is not known' : `TZ is ${JSON.stringify(TZ)}, and there is no such zone`;
  throw new MailprocError('config.time-zone', `use the machine's time zone: ${what}`, {
    hint: 'give a name of the IANA time zone database with --timezone, for example Asia/Shanghai or UTC',
  });
}

function readText(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(name, 'a text', value);
}

function readBoolean(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw invalid(name, 'true or false', value);
}

function readLogForm(value: unknown, name: string): 'text' | 'json' {
  if (value === 'text' || value === 'json') return value;
  throw invalid(name, 'text or json', value);
}

function readJobs(value: unknown, name: string): number {
  const jobs = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof jobs === 'number' && Number.isInteger(jobs) && jobs >= 1 && jobs <= 64) return jobs;
  throw invalid(name, 'a number of threads from 1 to 64', value);
}

/** `64M`, `64 MB`, or octets. */
function readSize(value: unknown, name: string): number {
  const [, digits, unit = ''] = /^(\d{1,12})\s?([KMG]?)(?:i?B)?$/i.exec(String(value)) ?? [];
  const bytes = Number(digits) * 1024 ** ' KMG'.indexOf(unit.toUpperCase() || ' ');
  if (bytes >= dialogueLimits.messageBytesMin && bytes <= dialogueLimits.messageBytesCeiling) return bytes;
  throw invalid(name, 'a size from 64K to 1G', value, 'for example 64M');
}

const portsExample = 'for example smtp=25,587;pop3=110;imap=143';

/** `smtp=25,587;pop3=110` or, in a configuration file, a map from protocol to a port or a list of ports. */
function readPorts(value: unknown, name: string): PortHints {
  const table = new Map<number, MailProtocol>();
  for (const [protocol, ports] of portEntries(value, name)) {
    if (!isMailProtocol(protocol)) {
      throw new MailprocError('config.ports', `read ${name}: unknown protocol ${JSON.stringify(protocol)}`, {
        hint: `the protocols are smtp, pop3 and imap, ${portsExample}`,
      });
    }
    for (const port of ports) table.set(readPort(port, name), protocol);
  }
  return table;
}

function portEntries(value: unknown, name: string): [string, unknown[]][] {
  if (typeof value === 'string') {
    const groups = value.split(';').filter((group) => group.trim() !== '');
    return groups.map((group) => {
      const [protocol = '', ports = ''] = group.split('=');
      return [protocol.trim().toLowerCase(), ports.split(',').map((port) => port.trim())];
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).map(([protocol, ports]) => [
      protocol,
      Array.isArray(ports) ? ports : [ports],
    ]);
  }
  throw invalid(name, 'protocols with their ports', value, portsExample);
}

function readPort(value: unknown, name: string): number {
  const isNumeral = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
  const port = isNumeral ? Number(value) : Number.NaN;
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw invalid(name, 'port numbers from 1 to 65535', value, portsExample);
}

type MailProtocol = PortHints extends ReadonlyMap<number, infer Protocol> ? Protocol : never;

function isMailProtocol(name: string): name is MailProtocol {
  return name === 'smtp' || name === 'pop3' || name === 'imap';
}

function invalid(name: string, wanted: string, value: unknown, hint?: string): MailprocError {
  const text = `read ${name}: ${wanted} expected, found ${JSON.stringify(value) ?? typeof value}`;
  return new MailprocError('config.value', text, hint === undefined ? {} : { hint });
}
