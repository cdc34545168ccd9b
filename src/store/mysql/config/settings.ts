/** What the URL, the cluster file and the MyCat directory have in common: defaults and small checks. */
import type { DataHost, MailProtocol } from '../types.ts';

export const mailProtocols: readonly MailProtocol[] = ['smtp', 'pop3', 'imap'];

/** The zone of the host on which MyCat calculated partitions. */
export const defaultRuleTimeZone = 'Asia/Shanghai';

export const defaultSequenceName = 'GLOBAL';

export const defaultPort = 3306;

export const defaultMaxConnections = 8;

/** Whether another server would take the writes over. */
export function hasStandBy({ writeHosts, switchType }: DataHost): boolean {
  return writeHosts.length > 1 && switchType !== -1;
}

/** The statement of each switchType: what it must tell of a server. */
export function defaultHeartbeat(switchType: DataHost['switchType']): DataHost['heartbeat'] {
  const statements = {
    '-1': 'select user()',
    '1': 'select user()',
    '2': 'show slave status',
    '3': wsrepStatus,
  };
  return { statement: statements[switchType], intervalMs: 1000, missesMax: 3 };
}

const wsrepStatus = "show status like 'wsrep%'";

/** Databases are quoted in statements, but names that need it are mistakes more often than wishes. */
export function isDatabaseName(name: string): boolean {
  return /^[\w$-]{1,64}$/.test(name);
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `host`, `host:port`, `[v6]:port`; undefined where it is none of them. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}
