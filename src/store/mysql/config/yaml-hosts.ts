/** Data hosts of the cluster file: masters, their replicas, and how to log in to them. */
import { resolve } from 'node:path';
import type { DataHost, Server, WriteHost } from '../types.ts';
import { configError } from './config-error.ts';
import { type Environment, passwordFromEnvironment, readCertificates, readPasswordFile } from './secrets.ts';
import type { Section } from './section.ts';
import { type Address, defaultHeartbeat, defaultMaxConnections, parseAddress } from './settings.ts';

export interface Context {
  /** Of the cluster file: paths in it are relative to it. */
  readonly folder: string;
  readonly environment: Environment;
  readonly warnings: string[];
}

type Login = Pick<Server, 'user' | 'password' | 'tls'>;

/** What is said at the top counts for all data hosts, what a data host says for its servers. */
const loginKeys = ['login', 'tls'] as const;
const hostKeys = [
  'masters',
  'balance',
  'switchType',
  'slaveThreshold',
  'heartbeat',
  'maxConnections',
  ...loginKeys,
];
const serverKeys = ['server', 'socket', 'name', ...loginKeys] as const;

export async function readDataHosts(root: Section, context: Context): Promise<readonly DataHost[]> {
  const section = root.section('dataHosts');
  const login = await readLogin(root, {}, context);
  const dataHosts: DataHost[] = [];
  for (const name of section.keys())
    dataHosts.push(await readDataHost(section.section(name), name, login, context));
  if (dataHosts.length === 0) throw configError(section.where(), 'at least one data host is needed');
  refuseTwice(dataHosts, section.where());
  return dataHosts;
}

async function readDataHost(
  section: Section,
  name: string,
  above: Partial<Login>,
  context: Context,
): Promise<DataHost> {
  section.allow(hostKeys);
  const login = await readLogin(section, above, context);
  const writeHosts: WriteHost[] = [];
  for (const [index, item] of section.list('masters').entries()) {
    writeHosts.push(await readMaster(item, `${name}-m${index + 1}`, login, section, context));
  }
  if (writeHosts.length === 0) throw configError(section.where('masters'), 'at least one master is needed');
  const switchType = section.choice<DataHost['switchType']>(
    'switchType',
    [-1, 1, 2, 3],
    writeHosts.length > 1 ? 1 : -1,
  );
  return {
    name,
    writeHosts,
    balance: section.choice<DataHost['balance']>('balance', [0, 1, 2, 3], 0),
    switchType,
    slaveThreshold: section.integer('slaveThreshold', { min: -1, max: 1_000_000 }, -1),
    heartbeat: readHeartbeat(section, switchType),
    maxConnections: section.integer('maxConnections', { min: 1, max: 9999 }, defaultMaxConnections),
  };
}

function readHeartbeat(section: Section, switchType: DataHost['switchType']): DataHost['heartbeat'] {
  const usual = defaultHeartbeat(switchType);
  if (!section.has('heartbeat')) return usual;
  const heartbeat = section.section('heartbeat');
  heartbeat.allow(['statement', 'intervalMs', 'missesMax']);
  return {
    statement: heartbeat.optionalText('statement') ?? usual.statement,
    intervalMs: heartbeat.integer('intervalMs', { min: 100, max: 3_600_000 }, usual.intervalMs),
    missesMax: heartbeat.integer('missesMax', { min: 1, max: 1000 }, usual.missesMax),
  };
}

async function readMaster(
  item: string | Section,
  name: string,
  login: Partial<Login>,
  parent: Section,
  context: Context,
): Promise<WriteHost> {
  const server = await readServer(
    item,
    name,
    [...serverKeys, 'replicas'],
    login,
    parent.where('masters'),
    context,
  );
  const readHosts: { server: Server; weight: number }[] = [];
  if (typeof item === 'string' || !item.has('replicas')) return { server, readHosts };
  const masterLogin: Partial<Login> = { user: server.user, password: server.password, tls: server.tls };
  const replicas = item.list('replicas');
  for (const [index, replica] of replicas.entries()) {
    const replicaName = `${server.name}-r${index + 1}`;
    const keys = [...serverKeys, 'weight'];
    readHosts.push({
      server: await readServer(replica, replicaName, keys, masterLogin, item.where('replicas'), context),
      // Equal shares, unless something else is said.
      weight: typeof replica === 'string' ? 1 : replica.integer('weight', { min: 0, max: 1000 }, 1),
    });
  }
  return { server, readHosts };
}

/** `10.0.0.1:3306`, or a mapping with the key `server` or `socket`. */
async function readServer(
  item: string | Section,
  name: string,
  keys: readonly string[],
  above: Partial<Login>,
  where: string,
  context: Context,
): Promise<Server> {
  if (typeof item === 'string') {
    return { name, ...addressOf(item, where), socketPath: undefined, ...complete(above, where) };
  }
  item.allow(keys);
  const login = complete(await readLogin(item, above, context), item.where());
  const ownName = item.optionalText('name') ?? name;
  const socketPath = item.optionalText('socket');
  if (socketPath === undefined) {
    return { name: ownName, ...addressOf(item.text('server'), item.where('server')), socketPath, ...login };
  }
  if (item.has('server')) throw configError(item.where('socket'), 'server and socket exclude each other');
  return {
    name: ownName,
    host: 'localhost',
    port: 0,
    socketPath: resolve(context.folder, socketPath),
    ...login,
  };
}

function addressOf(text: string, where: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw configError(where, `"${text}" is no host and port`, 'write host:3306, or "[::1]:3306" for IPv6');
}

function complete(login: Partial<Login>, where: string): Login {
  const { user, password, tls } = login;
  if (user === undefined)
    throw configError(where, 'no user is named', 'add the key login with user and password');
  return { user, password: password ?? '', tls };
}

async function readLogin(section: Section, above: Partial<Login>, context: Context): Promise<Partial<Login>> {
  const login: { -readonly [Key in keyof Login]?: Login[Key] } = { ...above };
  if (section.has('login')) {
    const entry = section.section('login');
    entry.allow(['user', 'password']);
    login.user = entry.text('user');
    login.password = await readPassword(entry, context);
  }
  if (section.has('tls')) login.tls = await readTls(section, context);
  return login;
}

/** A file of settings is copied, mailed and committed: passwords do not belong into it. */
async function readPassword(login: Section, context: Context): Promise<string> {
  if (!login.has('password')) return '';
  const where = login.where('password');
  if (typeof login.value('password') !== 'object') {
    const hint = 'write password: { environment: NAME } or password: { file: PATH }';
    throw configError(where, 'a password is not written into this file', hint);
  }
  const entry = login.section('password');
  entry.allow(['environment', 'file']);
  const [variable, file] = [entry.optionalText('environment'), entry.optionalText('file')];
  if (variable !== undefined && file === undefined)
    return passwordFromEnvironment(variable, context.environment, where);
  if (file !== undefined && variable === undefined) {
    return readPasswordFile(resolve(context.folder, file), where, context.warnings);
  }
  throw configError(where, 'either environment or file is expected');
}

/** `tls: off`, `tls: required`, `tls: verify`, or a mapping with the authority's file. */
async function readTls(section: Section, context: Context): Promise<Server['tls']> {
  // Without quotes YAML may take off for a truth value, in files of its older version.
  if (section.value('tls') === false) return undefined;
  if (typeof section.value('tls') !== 'object') {
    const mode = section.choice('tls', ['off', 'required', 'verify'], 'off');
    return mode === 'off' ? undefined : { ca: undefined, verify: mode === 'verify' };
  }
  const entry = section.section('tls');
  entry.allow(['ca', 'verify']);
  const verify = entry.choice('verify', [true, false], true);
  const path = entry.optionalText('ca');
  if (path !== undefined && !verify)
    throw configError(entry.where('ca'), 'it has no effect where verify is false');
  const ca =
    path === undefined ? undefined : await readCertificates(resolve(context.folder, path), entry.where('ca'));
  return { ca, verify };
}

/** Names stand for servers in messages and decisions. */
function refuseTwice(dataHosts: readonly DataHost[], where: string): void {
  const names = new Set<string>();
  for (const { server, readHosts } of dataHosts.flatMap(({ writeHosts }) => writeHosts)) {
    for (const { name } of [server, ...readHosts.map((each) => each.server)]) {
      if (names.has(name)) throw configError(where, `two servers are called ${name}`);
      names.add(name);
    }
  }
}
