/** MyCat's rule.xml: `tableRule` names a column and a `function` with its properties. */
import type { PartitionByDate } from '../../partition-by-date.ts';
import { configError, nearestOf } from '../config-error.ts';
import { makeRule, partitionFunction, type RuleProperty, ruleProperties, shardingColumn } from '../rule.ts';
import { childrenOf, requiredAttribute, type Vocabulary, warnOfUnknown, type XmlElement } from './xml.ts';

const rootWords: Vocabulary = { attributes: [], children: ['tableRule', 'function'] };
const tableRuleWords: Vocabulary = { attributes: ['name'], children: ['rule'] };
const ruleWords: Vocabulary = { attributes: [], children: ['columns', 'algorithm'] };
const functionWords: Vocabulary = { attributes: ['name', 'class'], children: ['property'] };

/** Rules are made when a table asks for them: those of other tables may be of any kind. */
export class MycatRules {
  readonly #root: XmlElement;
  readonly #timeZone: string;
  readonly #warnings: string[];
  readonly #made = new Map<string, PartitionByDate>();

  constructor(root: XmlElement, timeZone: string, warnings: string[]) {
    this.#root = root;
    this.#timeZone = timeZone;
    this.#warnings = warnings;
    warnOfUnknown(root, rootWords, warnings);
  }

  /** `where` is the attribute that names the rule. */
  rule(name: string, where: string): PartitionByDate {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const made = this.#make(this.#find('tableRule', name, where));
    this.#made.set(name, made);
    return made;
  }

  #find(kind: 'tableRule' | 'function', name: string, where: string): XmlElement {
    const elements = childrenOf(this.#root, kind);
    const [element, other] = elements.filter((each) => each.attributes.get('name') === name);
    if (other !== undefined) throw configError(other.where, 'the name is used twice');
    if (element !== undefined) return element;
    const names = elements.map((each) => each.attributes.get('name') ?? '');
    throw configError(where, `rule.xml has no ${kind} "${name}"`, nearestOf(name, names));
  }

  #make(tableRule: XmlElement): PartitionByDate {
    warnOfUnknown(tableRule, tableRuleWords, this.#warnings);
    const [rule, other] = childrenOf(tableRule, 'rule');
    if (rule === undefined || other !== undefined)
      throw configError(tableRule.where, 'exactly one rule is expected');
    warnOfUnknown(rule, ruleWords, this.#warnings);
    const column = childrenOf(rule, 'columns')[0];
    if (column?.text.toLowerCase() !== shardingColumn) {
      throw configError(
        `${tableRule.where}, element columns`,
        `"${column?.text ?? ''}" is not the column that decides where mail is`,
        `shard tables of mail by ${shardingColumn}`,
      );
    }
    const algorithm = childrenOf(rule, 'algorithm')[0];
    if (algorithm === undefined) throw configError(tableRule.where, 'the element algorithm is missing');
    return this.#makeFunction(this.#find('function', algorithm.text, algorithm.where));
  }

  #makeFunction(element: XmlElement): PartitionByDate {
    warnOfUnknown(element, functionWords, this.#warnings);
    const className = requiredAttribute(element, 'class');
    if (className.split('.').at(-1) !== partitionFunction) {
      throw configError(
        `${element.where}, attribute class`,
        `"${className}" is no function for tables of days`,
        `use io.mycat.route.function.${partitionFunction}`,
      );
    }
    const properties = this.#properties(element);
    return makeRule((name) => properties.get(name), this.#timeZone, element.where, this.#warnings);
  }

  #properties(element: XmlElement): ReadonlyMap<string, string> {
    const properties = new Map<string, string>();
    for (const property of childrenOf(element, 'property')) {
      const name = requiredAttribute(property, 'name');
      if (!ruleProperties.includes(name as RuleProperty)) {
        this.#warnings.push(`${property.where}: unknown, not used; ${nearestOf(name, ruleProperties)}`);
      }
      properties.set(name, property.text);
    }
    return properties;
  }
}
