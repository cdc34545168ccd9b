/**
 * `mysql://user@host:3306[,host2:port…][/database]?…`: one MySQL or MariaDB server, or masters that take over
 * from each other in the order given, with the three databases on it.
 */
import { MailprocError } from '../../../core/errors.ts';
import { onOneNode, PlacedShardMap } from '../shard-map.ts';
import type { ClusterSettings, DataHost, DataNode, MailProtocol, Server } from '../types.ts';
import { configError, nearestOf } from './config-error.ts';
import { type Environment, readCertificates, readPasswordFile } from './secrets.ts';
import {
  type Address,
  defaultHeartbeat,
  defaultMaxConnections,
  defaultSequenceName,
  isDatabaseName,
  mailProtocols,
  parseAddress,
} from './settings.ts';

/** Parameters after `?`, each at most once. */
const parameterNames = [
  /** Path of a Unix socket, then no host is named. */
  'socket',
  /** `off`, `required` (encrypted, server not verified) or `verify`. */
  'tls',
  /** PEM file of the authority; implies `tls=verify`. */
  'ca',
  /** File whose first line is the password. */
  'password-file',
  /** `wide` or `documented`. */
  'schema',
  'smtp-database',
  'pop3-database',
  'imap-database',
  'max-connections',
  /** -1, 1, 2 or 3; 1 where several hosts are named. */
  'switch-type',
  /** File that remembers the active host over runs. */
  'active-host-file',
] as const;

type ParameterName = (typeof parameterNames)[number];
type Parameters = ReadonlyMap<ParameterName, string>;

const passwordVariable = 'MAILPROC_MYSQL_PASSWORD';
const hint = `write mysql://user@host:3306?tls=verify, with the password in ${passwordVariable}`;
const percentHint = 'write % as %25, @ as %40, : as %3A, / as %2F, ? as %3F and # as %23';
const dataHostName = 'mysql';

/** Throws a `MailprocError` without the password in it. */
export async function parseMysqlUrl(url: string, environment: Environment): Promise<ClusterSettings> {
  const parts = splitUrl(url);
  const parameters = readParameters(parts.query, parts.where);
  const warnings: string[] = [];
  const login = {
    user: parts.user,
    password: await readPassword(parts, parameters, environment, warnings),
    tls: await readTls(parameters, parts.where),
  };
  const dataHost = makeDataHost(parts, parameters, login);
  return {
    dataHosts: [dataHost],
    shardMap: makeShardMap(parts, parameters),
    sequence: { kind: 'database', dataNode: 'smtp_database', name: defaultSequenceName },
    schema: choice(parameters, 'schema', ['wide', 'documented'], parts.where) ?? 'wide',
    activeHostFile: parameters.get('active-host-file'),
    warnings,
  };
}

interface UrlParts {
  /** The URL without its password, for messages. */
  readonly where: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly addresses: readonly Address[];
  readonly database: string | undefined;
  readonly query: string;
}

function splitUrl(url: string): UrlParts {
  const match = /^mysql:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#@]*))?(?:\?([^#@]*))?$/s.exec(url);
  // Nothing is repeated of a URL that cannot be taken apart: any piece of it may be of the password.
  if (match === null) {
    throw configError('store URL mysql:…', 'it has not the form of a MySQL URL', `${hint}; ${percentHint}`);
  }
  if (match[1] === undefined)
    throw configError('store URL mysql:…', 'it names no user', `${hint}; ${percentHint}`);
  const [, login, hosts = '', path = '', query = ''] = match;
  const colon = login.indexOf(':');
  const name = colon === -1 ? login : login.slice(0, colon);
  const where = `store URL mysql://${name}@${hosts}`;
  const user = decode(name, where);
  if (user === '') throw configError(where, 'it names no user', hint);
  return {
    where,
    user,
    password: colon === -1 ? undefined : decode(login.slice(colon + 1), where),
    addresses: readAddresses(hosts, where),
    database: path === '' ? undefined : databaseName(decode(path, where), where),
    query,
  };
}

/** None where no host is named. */
function readAddresses(hosts: string, where: string): readonly Address[] {
  if (hosts === '') return [];
  const addresses = hosts.split(',').map((text) => {
    const address = parseAddress(decode(text, where));
    if (address !== undefined) return address;
    throw configError(where, `"${text}" is no host and port`, 'write host:3306, or [::1]:3306 for IPv6');
  });
  const names = addresses.map(({ host, port }) => `${host}:${port}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw configError(where, `${twice} is named twice`);
  return addresses;
}

function readParameters(query: string, where: string): Parameters {
  const parameters = new Map<ParameterName, string>();
  for (const pair of query.split('&').filter((each) => each !== '')) {
    const equals = pair.includes('=') ? pair.indexOf('=') : pair.length;
    const name = decode(pair.slice(0, equals), where);
    if (!isParameterName(name)) throw unknownParameter(name, where);
    if (parameters.has(name)) throw configError(where, `the parameter ${name} is given twice`);
    const value = decode(pair.slice(equals + 1), where);
    if (value === '') throw configError(where, `the parameter ${name} has no value`);
    parameters.set(name, value);
  }
  return parameters;
}

function isParameterName(name: string): name is ParameterName {
  return (parameterNames as readonly string[]).includes(name);
}

/** Somebody may have tried `?password=…`: the value is not repeated. */
function unknownParameter(name: string, where: string): MailprocError {
  const message = `read ${where}: unknown parameter ${JSON.stringify(name.slice(0, 100))}`;
  const isPassword = /^pass|^pw/i.test(name) && name !== 'password-file';
  return new MailprocError('config.unknown-key', message, {
    hint: isPassword
      ? `put the password into ${passwordVariable}, or into a file named by password-file`
      : nearestOf(name, parameterNames),
  });
}

async function readPassword(
  parts: UrlParts,
  parameters: Parameters,
  environment: Environment,
  warnings: string[],
): Promise<string> {
  const path = parameters.get('password-file');
  if (path !== undefined && parts.password !== undefined) {
    throw configError(
      parts.where,
      'it holds a password and names a password-file',
      'take the password out of it',
    );
  }
  if (path !== undefined) return readPasswordFile(path, parts.where, warnings);
  if (parts.password !== undefined) {
    warnings.push(
      `the password in ${parts.where} can be seen by everybody who lists processes: set ${passwordVariable} instead`,
    );
    return parts.password;
  }
  return environment[passwordVariable] ?? '';
}

async function readTls(parameters: Parameters, where: string): Promise<Server['tls']> {
  const path = parameters.get('ca');
  const mode =
    choice(parameters, 'tls', ['off', 'required', 'verify'], where) ??
    (path === undefined ? 'off' : 'verify');
  if (path !== undefined && mode !== 'verify') {
    throw configError(where, `ca has no effect with tls=${mode}`, 'write tls=verify');
  }
  if (mode === 'off') return undefined;
  return {
    ca: path === undefined ? undefined : await readCertificates(path, where),
    verify: mode === 'verify',
  };
}

type Login = Pick<Server, 'user' | 'password' | 'tls'>;

function makeDataHost(parts: UrlParts, parameters: Parameters, login: Login): DataHost {
  const switchText = choice(parameters, 'switch-type', ['-1', '1', '2', '3'], parts.where);
  const switchType = switchTypes[switchText ?? (parts.addresses.length > 1 ? '1' : '-1')];
  return {
    name: dataHostName,
    writeHosts: makeServers(parts, parameters, login).map((server) => ({ server, readHosts: [] })),
    balance: 0,
    switchType,
    slaveThreshold: -1,
    heartbeat: defaultHeartbeat(switchType),
    maxConnections: maxConnections(parameters, parts.where),
  };
}

const switchTypes = { '-1': -1, '1': 1, '2': 2, '3': 3 } as const;

function makeServers(parts: UrlParts, parameters: Parameters, login: Login): readonly Server[] {
  const socketPath = parameters.get('socket');
  if (socketPath !== undefined) {
    const [other] = parts.addresses.filter(({ host }) => host !== 'localhost');
    if (other !== undefined)
      throw configError(parts.where, `a socket is not on ${other.host}`, 'write mysql://user@?socket=/path');
    return [{ name: socketPath, host: 'localhost', port: 0, socketPath, ...login }];
  }
  if (parts.addresses.length === 0) throw configError(parts.where, 'it names no host', hint);
  return parts.addresses.map(({ host, port }) => {
    const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    return { name, host, port, socketPath: undefined, ...login };
  });
}

function maxConnections(parameters: Parameters, where: string): number {
  const text = parameters.get('max-connections');
  if (text === undefined) return defaultMaxConnections;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw configError(where, `max-connections "${text}" is no number between 1 and 9999`);
}

function makeShardMap(parts: UrlParts, parameters: Parameters): PlacedShardMap {
  const placements = mailProtocols.map((protocol) => {
    const dataNode = makeDataNode(protocol, parts, parameters);
    return onOneNode(dataNode, (each) => each === protocol);
  });
  return new PlacedShardMap(placements, (protocol) =>
    configError(parts.where, `it has no place for ${protocol}`),
  );
}

function makeDataNode(protocol: MailProtocol, parts: UrlParts, parameters: Parameters): DataNode {
  const name = `${protocol}_database`;
  const given = parameters.get(`${protocol}-database`);
  const database = given === undefined ? (parts.database ?? name) : databaseName(given, parts.where);
  return { name, dataHost: dataHostName, database };
}

function databaseName(text: string, where: string): string {
  if (isDatabaseName(text)) return text;
  throw configError(
    where,
    `${JSON.stringify(text)} is no name of a database`,
    'use letters, digits, _, $ and -',
  );
}

function choice<Value extends string>(
  parameters: Parameters,
  name: ParameterName,
  values: readonly Value[],
  where: string,
): Value | undefined {
  const text = parameters.get(name);
  const value = values.find((each) => each === text);
  if (text === undefined || value !== undefined) return value;
  throw configError(where, `${name} is "${text}"`, `it can be ${values.join(', ')}`);
}

/** What is not decodable may be the password: it is not repeated. */
function decode(text: string, where: string): string {
  try {
    const decoded = decodeURIComponent(text);
    if (!decoded.includes('\0')) return decoded;
  } catch {
    // Told below.
  }
  throw configError(
    where,
    'it holds a % that is followed by no code',
    'write % as %25, @ as %40, : as %3A and / as %2F',
  );
}
