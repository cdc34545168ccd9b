/** The partition rule of a cluster file or a MyCat directory. */
import { PartitionByDate, type PartitionByDateProperties } from '../partition-by-date.ts';

/** MyCat's names of the properties; the last is how its documentation and many configurations misspell the third. */
export const ruleProperties = [
  'dateFormat',
  'sBeginDate',
  'sEndDate',
  'sPartionDay',
  'sNaturalDay',
  'sPartitionDay',
] as const;

export type RuleProperty = (typeof ruleProperties)[number];

/** The column that decides where a row is: the day in the name of its table. */
export const shardingColumn = 'insert_time';

export const partitionFunction = 'PartitionByDate';

/** `property` reads a property, `where` is for errors and warnings. */
export function makeRule(
  property: (name: RuleProperty) => string | undefined,
  timeZone: string,
  where: string,
  warnings: string[],
): PartitionByDate {
  const properties: PartitionByDateProperties = {
    dateFormat: property('dateFormat'),
    sBeginDate: property('sBeginDate'),
    sEndDate: property('sEndDate'),
    sPartionDay: property('sPartionDay') ?? misspelt(property('sPartitionDay'), where, warnings),
    sNaturalDay: property('sNaturalDay'),
    timeZone,
  };
  const rule = new PartitionByDate(properties, where);
  if (rule.slips) warnings.push(slipWarning(timeZone, where));
  return rule;
}

function misspelt(value: string | undefined, where: string, warnings: string[]): string | undefined {
  if (value !== undefined) {
    warnings.push(
      `${where}: MyCat's name of the property is sPartionDay; sPartitionDay is taken for it here, MyCat ignores it`,
    );
  }
  return value;
}

function slipWarning(timeZone: string, where: string): string {
  return `${where}: clocks change in ${timeZone}, where MyCat takes every day for 24 hours: after the change days fall into the partition before theirs, here as in MyCat`;
}
