/** `dataHost` elements of MyCat's schema.xml: servers, who reads where, and how failover goes. */
import type { DataHost, Server, WriteHost } from '../../types.ts';
import { configError } from '../config-error.ts';
import { defaultHeartbeat, defaultMaxConnections, parseAddress } from '../settings.ts';
import {
  attributeOf,
  attributePlace,
  childrenOf,
  requiredAttribute,
  type Vocabulary,
  warnOfUnknown,
  type XmlElement,
} from './xml.ts';

const dataHostWords: Vocabulary = {
  attributes: [
    ...['name', 'maxCon', 'balance', 'writeType', 'switchType', 'slaveThreshold', 'dbType', 'dbDriver'],
    // Without effect here: they tune MyCat's own pool, or other kinds of databases.
    ...[
      'minCon',
      'balanceType',
      'maxRetryCount',
      'notSwitch',
      'tempReadHostAvailable',
      'filters',
      'logTime',
      'slaveIDs',
    ],
  ],
  children: ['heartbeat', 'connectionInitSql', 'writeHost', 'readHost'],
};
const serverAttributes = ['host', 'url', 'user', 'password', 'weight', 'usingDecrypt', 'checkAlive'];
const writeHostWords: Vocabulary = { attributes: serverAttributes, children: ['readHost'] };
const readHostWords: Vocabulary = { attributes: serverAttributes, children: [] };

/** `serverNames` are those of other data hosts: names are unique in the cluster. */
export function readDataHost(element: XmlElement, serverNames: Set<string>, warnings: string[]): DataHost {
  warnOfUnknown(element, dataHostWords, warnings);
  const name = requiredAttribute(element, 'name');
  const type = attributeOf(element, 'dbType');
  if (type !== undefined && type.toLowerCase() !== 'mysql' && type.toLowerCase() !== 'mariadb') {
    throw configError(attributePlace(element, 'dbType'), `"${type}" is no MySQL`);
  }
  readWriteType(element, warnings);
  if (childrenOf(element, 'connectionInitSql').length > 0) {
    warnings.push(`${element.where}: connectionInitSql is not used`);
  }
  if (childrenOf(element, 'readHost').length > 0) {
    throw configError(element.where, 'a readHost stands beside the writeHosts', 'put it into its writeHost');
  }
  const switchType = number(element, 'switchType', [-1, 1, 2, 3]) ?? -1;
  return {
    name,
    writeHosts: readWriteHosts(element, name, serverNames, warnings),
    balance: number(element, 'balance', [0, 1, 2, 3]) ?? missing(element, 'balance', 0 as const, warnings),
    switchType,
    slaveThreshold: integer(element, 'slaveThreshold', -1) ?? -1,
    heartbeat: readHeartbeat(element, switchType, warnings),
    maxConnections:
      integer(element, 'maxCon', 1) ?? missing(element, 'maxCon', defaultMaxConnections, warnings),
  };
}

function readWriteType(element: XmlElement, warnings: string[]): void {
  if (number(element, 'writeType', [0, 1]) !== 1) return;
  warnings.push(
    `${attributePlace(element, 'writeType')}: 1 (writes to random masters) is deprecated and taken for 0: all writes go to the active master`,
  );
}

/** What switchType must know of a server, no other statement tells. */
function readHeartbeat(
  element: XmlElement,
  switchType: DataHost['switchType'],
  warnings: string[],
): DataHost['heartbeat'] {
  const usual = defaultHeartbeat(switchType);
  const [heartbeat] = childrenOf(element, 'heartbeat');
  const statement = heartbeat?.text ?? '';
  if (statement === '') return usual;
  const needed = {
    '-1': /./,
    '1': /./,
    '2': /show\s+(?:all\s+)?(?:slaves?|replicas?)\s+status/i,
    '3': /wsrep/i,
  };
  if (needed[switchType].test(statement)) return { ...usual, statement };
  warnings.push(
    `${heartbeat?.where}: "${statement}" does not tell what switchType ${switchType} must know; "${usual.statement}" is used`,
  );
  return usual;
}

function readWriteHosts(
  element: XmlElement,
  dataHost: string,
  serverNames: Set<string>,
  warnings: string[],
): readonly WriteHost[] {
  const elements = childrenOf(element, 'writeHost');
  if (elements.length === 0) throw configError(element.where, 'it has no writeHost');
  refuseTwice(elements);
  return elements.map((writeHost) => {
    warnOfUnknown(writeHost, writeHostWords, warnings);
    const server = readServer(writeHost, dataHost, serverNames);
    const readHosts = childrenOf(writeHost, 'readHost');
    refuseTwice(readHosts);
    return {
      server,
      readHosts: readHosts.map((readHost) => {
        warnOfUnknown(readHost, readHostWords, warnings);
        const weight = integer(readHost, 'weight', 0) ?? 0;
        return { server: readServer(readHost, dataHost, serverNames), weight };
      }),
    };
  });
}

/** As MyCat does; names in different data hosts may be the same. */
function refuseTwice(elements: readonly XmlElement[]): void {
  const names = new Set<string>();
  for (const element of elements) {
    const name = requiredAttribute(element, 'host');
    if (names.has(name)) throw configError(attributePlace(element, 'host'), 'the name is used twice');
    names.add(name);
  }
}

function readServer(element: XmlElement, dataHost: string, serverNames: Set<string>): Server {
  const user = requiredAttribute(element, 'user');
  if (attributeOf(element, 'usingDecrypt') === '1') {
    throw configError(
      attributePlace(element, 'usingDecrypt'),
      'the password is encrypted with a key that is inside MyCat',
      'write the password as it is, with usingDecrypt 0, into a file that only its user can read',
    );
  }
  return {
    name: uniqueName(requiredAttribute(element, 'host'), dataHost, serverNames),
    ...readAddress(element),
    socketPath: undefined,
    user,
    // Blanks count in a password.
    password: element.attributes.get('password') ?? '',
    tls: undefined,
  };
}

function uniqueName(host: string, dataHost: string, taken: Set<string>): string {
  const plain = taken.has(host) ? `${dataHost}.${host}` : host;
  let name = plain;
  for (let count = 2; taken.has(name); count++) name = `${plain}-${count}`;
  taken.add(name);
  return name;
}

/** `10.0.0.1:3306`, or `jdbc:mysql://10.0.0.1:3306/…` where dbDriver is jdbc. */
function readAddress(element: XmlElement): { readonly host: string; readonly port: number } {
  const url = requiredAttribute(element, 'url');
  const [, scheme, rest = url] = /^jdbc:([a-z]+):\/\/([^/?]*)/.exec(url) ?? [];
  const isMysql = scheme === undefined || scheme === 'mysql' || scheme === 'mariadb';
  const address = isMysql ? parseAddress(rest) : undefined;
  if (address !== undefined) return address;
  // After `?` a JDBC URL may hold a password.
  const shown = url.replace(/\?.*$/s, '?…');
  throw configError(
    attributePlace(element, 'url'),
    `"${shown}" is no address of a MySQL server`,
    'write host:3306',
  );
}

function number<Value extends number>(
  element: XmlElement,
  name: string,
  values: readonly Value[],
): Value | undefined {
  const text = attributeOf(element, name);
  const value = values.find((each) => String(each) === text);
  if (text === undefined || value !== undefined) return value;
  throw configError(attributePlace(element, name), `"${text}" is not one of ${values.join(', ')}`);
}

function integer(element: XmlElement, name: string, min: number): number | undefined {
  const text = attributeOf(element, name);
  if (text === undefined) return undefined;
  if (/^-?\d{1,9}$/.test(text) && Number(text) >= min) return Number(text);
  throw configError(attributePlace(element, name), `"${text}" is no whole number from ${min}`);
}

function missing<Value extends number>(
  element: XmlElement,
  name: string,
  value: Value,
  warnings: string[],
): Value {
  warnings.push(
    `${attributePlace(element, name)}: it is missing, ${value} is used; MyCat does not start without it`,
  );
  return value;
}
