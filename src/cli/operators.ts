/** The commands that look after a store: `verify` and `doctor`. */
import { diagnoseStore } from '../pipeline/doctor.ts';
import { type Verification, verifyStore } from '../pipeline/verify.ts';
import { dayOf } from './day.ts';
import type { Log } from './log.ts';
import type { OperatorRequest, PruneRequest } from './operator-arguments.ts';
import type { Settings } from './options.ts';
import { jsonText } from './printable.ts';
import { renderDiagnosis } from './render-diagnosis.ts';
import { renderVerification, unlikeText } from './render-verification.ts';

export function runOperatorRequest(
  request: Exclude<OperatorRequest, PruneRequest>,
  log: Log,
): Promise<number> {
  return request.command === 'verify'
    ? runVerify(request.date, request.settings, log)
    : runDoctor(request.settings, log);
}

async function runVerify(date: string | undefined, settings: Settings, log: Log): Promise<number> {
  const day = date === undefined ? undefined : dayOf(date, settings.timezone);
  const report = (code: string, detail: string): void => log.notice(code, detail);
  const verification = await verifyStore(settings.store, day, { report });
  print(settings, verification, renderVerification);
  const { differences, unlike } = verification;
  if (differences.length + unlike.length === 0) return 0;
  if (tellsWhy(settings)) tellDifference(verification, log);
  return 3;
}

function tellDifference({ differences, unlike, store }: Verification, log: Log): void {
  const and = (all: readonly unknown[]): string => (all.length > 1 ? `, and ${all.length - 1} more` : '');
  const [first] = differences;
  if (first !== undefined) {
    const { table, capture, written, found } = first;
    const text = `${store}: ledger and tables differ: ${table}, ${capture}: ${written} written, ${found} found${and(differences)}`;
    log.trouble('verify.differs', text, { table, capture, differences: differences.length });
  }
  const [copy] = unlike;
  if (copy !== undefined) {
    const text = `${store}: servers differ: ${copy.table} ${unlikeText(copy)}${and(unlike)}`;
    log.trouble('verify.servers-differ', text, { table: copy.table, server: copy.server });
  }
}

async function runDoctor(settings: Settings, log: Log): Promise<number> {
  const { store, timezone } = settings;
  const report = (code: string, detail: string): void => log.notice(code, detail);
  const diagnosis = await diagnoseStore({ store, timeZone: timezone, report });
  print(settings, diagnosis, renderDiagnosis);
  const wrong = diagnosis.findings.filter(({ weight }) => weight !== 'note');
  for (const { code, about, what, remedy } of tellsWhy(settings) ? wrong : []) {
    log.trouble(code, `${about}: ${what}`, { hint: remedy });
  }
  if (wrong.some(({ weight }) => weight === 'unreachable')) return 1;
  return wrong.length > 0 ? 3 : 0;
}

/** Where nothing else does. */
function tellsWhy({ quiet, log }: Settings): boolean {
  return quiet || log === 'json';
}

function print<Result extends object>(
  { json, quiet }: Settings,
  result: Result,
  render: (result: Result) => string,
): void {
  if (json) process.stdout.write(`${jsonText(result, 2)}\n`);
  else if (!quiet) process.stdout.write(render(result));
}
