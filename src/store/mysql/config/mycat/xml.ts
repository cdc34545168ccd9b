/**
 * XML of a MyCat conf directory as a tree of elements. Nothing that a document type declares is used: no entity
 * is expanded but the five of XML itself, and nothing is fetched.
 */
import { type X2jOptions, XMLParser, XMLValidator } from 'fast-xml-parser';
import { MailprocError } from '../../../../core/errors.ts';
import { configError, nearestOf } from '../config-error.ts';

export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Without the blanks around it. */
  readonly text: string;
  /** For errors: `/etc/mycat/schema.xml line 7, table "imap_2022_01"`. */
  readonly where: string;
}

const options: X2jOptions = {
  preserveOrder: true,
  captureMetaData: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  attributesGroupName: '@',
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  processEntities: false,
  maxNestedTags: 20,
};

/** `file` is its name, for errors. Throws a `MailprocError` where the text is no well-formed XML. */
export function parseXml(text: string, file: string): XmlElement {
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw syntaxError(`${file} line ${valid.err.line}`, valid.err.msg);
  const roots = readElements(parse(text, file), { file, lineOf: lineFinder(text) });
  const [root, other] = roots;
  if (root === undefined || other !== undefined) throw syntaxError(file, 'one root element is expected');
  return root;
}

/** Elements of that name, in their order. */
export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/** undefined where it is missing or empty: MyCat takes both for the same. */
export function attributeOf(element: XmlElement, name: string): string | undefined {
  const value = element.attributes.get(name)?.trim();
  return value === '' ? undefined : value;
}

export function requiredAttribute(element: XmlElement, name: string): string {
  const value = attributeOf(element, name);
  if (value === undefined) throw configError(attributePlace(element, name), 'it is missing');
  return value;
}

export function attributePlace(element: XmlElement, name: string): string {
  return `${element.where}, attribute ${name}`;
}

/** What an element may hold. Other attributes and children are unknown, not wrong: versions of MyCat differ. */
export interface Vocabulary {
  readonly attributes: readonly string[];
  readonly children: readonly string[];
}

export function warnOfUnknown(element: XmlElement, known: Vocabulary, warnings: string[]): void {
  for (const name of element.attributes.keys()) {
    if (known.attributes.includes(name) || name.startsWith('xmlns')) continue;
    warnings.push(
      `${attributePlace(element, name)}: unknown, not used; ${nearestOf(name, known.attributes)}`,
    );
  }
  for (const child of element.children) {
    if (known.children.includes(child.name)) continue;
    warnings.push(`${child.where}: unknown element, not used; ${nearestOf(child.name, known.children)}`);
  }
}

/** What fast-xml-parser makes of a node: its name is the one key besides `:@` for attributes. */
type ParsedNode = Readonly<Record<string, unknown>>;

interface Source {
  readonly file: string;
  readonly lineOf: (position: number) => number;
}

function parse(text: string, file: string): readonly ParsedNode[] {
  try {
    return new XMLParser(options).parse(text) as readonly ParsedNode[];
  } catch (error) {
    throw syntaxError(file, (error as Error).message);
  }
}

function readElements(nodes: readonly ParsedNode[], source: Source): readonly XmlElement[] {
  return nodes.flatMap((node) => {
    const name = Object.keys(node).find((key) => key !== ':@');
    if (name === undefined || name === '#text') return [];
    return [readElement(name, node, source)];
  });
}

function readElement(name: string, node: ParsedNode, source: Source): XmlElement {
  const place = `${source.file} line ${source.lineOf(startOf(node))}`;
  const attributes = new Map<string, string>();
  for (const [key, value] of Object.entries((node[':@'] ?? {}) as ParsedNode)) {
    attributes.set(key, decode(String(value), `${place}, ${name}, attribute ${key}`));
  }
  const label = attributes.get('name') ?? attributes.get('host');
  const where = `${place}, ${name}${label === undefined ? '' : ` "${label}"`}`;
  const content = node[name] as readonly ParsedNode[];
  const texts = content
    .filter((child) => Object.hasOwn(child, '#text'))
    .map((child) => String(child['#text']));
  return {
    name,
    attributes,
    children: readElements(content, source),
    text: decode(texts.join('').trim(), where),
    where,
  };
}

function startOf(node: ParsedNode): number {
  const metadata = (node as Record<symbol, unknown>)[XMLParser.getMetaDataSymbol() as unknown as symbol];
  return (metadata as { readonly startIndex?: number } | undefined)?.startIndex ?? 0;
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** Entities that the document declares itself can be bombs or lead to other files. */
function decode(text: string, where: string): string {
  return text.replace(/&([^;&\s]{0,20});?/g, (reference, name: string) => {
    const character = entities[name] ?? numbered(name);
    if (character !== undefined && reference.endsWith(';')) return character;
    throw configError(where, `${JSON.stringify(reference)} is no entity that is read`, 'write &amp; for &');
  });
}

function numbered(name: string): string | undefined {
  const match = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name);
  if (match === null) return undefined;
  const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}

/** For positions in any order. */
function lineFinder(text: string): (position: number) => number {
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return (position) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= position) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

function syntaxError(where: string, problem: string): MailprocError {
  return new MailprocError('config.syntax', `read ${where}: ${problem.slice(0, 300).replaceAll('\n', ' ')}`);
}
