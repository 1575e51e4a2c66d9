// The log of a process: one line an event, key=value, to standard error and to a file. Any process.
// Values from outside are escaped, so that no client can forge a line or send control sequences to
// a terminal. No secret is passed here: a `Secret` prints as [redacted].

import { closeSync, writeSync } from 'node:fs';
import type { Clock } from '../lib/clock.js';
import { AppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { openLogFile } from './files/append-file.js';
import { GroupCommit } from './group-commit.js';

const NEWLINE = 0x0a;

export type LogLevel = 'error' | 'warning' | 'notice' | 'info' | 'debug';
export type LogFields = Readonly<Record<string, string | number | undefined>>;

/** syslog severities, which systemd reads from `<N>` at the start of a line (sd-daemon(3)). */
const SEVERITY: Readonly<Record<LogLevel, number>> = {
  error: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 7,
};

export interface LogOptions {
  /** First word of each line on standard error. */
  readonly program: string;
  readonly clock: Clock;
  /** Takes a line, its newline included; false when it could not be written. */
  readonly writeStderr: (line: string) => boolean;
  /**
   * Lines on standard error begin with their severity: for the journal, or another reader of `<N>`.
   */
  readonly priorities: boolean;
  /** True: `info` lines are written to the file alone, and not to standard error. */
  readonly quiet: boolean;
  readonly debug: boolean;
  /** Appended to; created with mode 0600. */
  readonly file?: string | undefined;
}

/** One record, as its line in the file and its line on standard error. */
interface RecordLines {
  readonly fileLine: string;
  readonly stderrLine: string;
}

export class Log {
  readonly #options: LogOptions;
  #fd: number | undefined;
  #fileFailed = false;
  /** True: the last write ended within a line, as on a full disk. */
  #isLineOpen = false;
  readonly #records = new GroupCommit<RecordLines>((group) => {
    this.#writeRecords(group.map(({ item }) => item));
    return undefined;
  });

  /** @throws AppError SYS_PATH or SYS_FILE when the file cannot be opened. */
  constructor(options: LogOptions) {
    this.#options = options;
    this.#fd = options.file === undefined ? undefined : openLogFile(options.file, 'log file');
  }

  error(event: string, fields: LogFields = {}): void {
    this.write('error', event, fields);
  }

  warning(event: string, fields: LogFields = {}): void {
    this.write('warning', event, fields);
  }

  notice(event: string, fields: LogFields = {}): void {
    this.write('notice', event, fields);
  }

  info(event: string, fields: LogFields = {}): void {
    this.write('info', event, fields);
  }

  debug(event: string, fields: LogFields = {}): void {
    this.write('debug', event, fields);
  }

  /**
   * Writes the line of a request that is in the audit log as well: `quiet` keeps it from standard
   * error, whatever its level. There may be any number of such lines, and each may be sent to
   * somebody as mail.
   */
  writeRecorded(level: LogLevel, event: string, fields: LogFields): void {
    const isOnStderr = !this.#options.quiet;
    this.#writeLine(level, event, fields, isOnStderr);
  }

  /**
   * Writes one line. A failure of the file is reported on standard error once, until the file can
   * be written again.
   */
  write(level: LogLevel, event: string, fields: LogFields): void {
    this.#writeLine(level, event, fields, !this.#options.quiet || level !== 'info');
  }

  #writeLine(level: LogLevel, event: string, fields: LogFields, isOnStderr: boolean): void {
    if (level === 'debug' && !this.#options.debug) {
      return;
    }
    this.#records.flush(); // in the order in which it happened
    const text = `${event}${formatFields(fields)}`;
    try {
      this.#appendToFile(level, text);
      this.#fileFailed = false;
    } catch (error) {
      if (!this.#fileFailed) {
        this.#fileFailed = true;
        this.#writeToStderr(
          'error',
          `log-file-failed${formatFields({ reason: messageOf(error) })}`,
        );
      }
    }
    if (isOnStderr) {
      this.#writeToStderr(level, text);
    }
  }

  /**
   * Writes a line that must be written before the event it records may have an effect: in the file,
   * or on standard error where there is none. Records of one turn of the event loop share a write.
   * @param isAlone true writes at once, see `GroupCommit`
   * @returns resolves when it is written
   * @throws AppError SYS_FILE when it cannot be written
   */
  record(event: string, fields: LogFields, isAlone: boolean): Promise<void> {
    const text = `${event}${formatFields(fields)}`;
    const fileLine = this.#fileLine('notice', text);
    const stderrLine = this.#stderrLine('notice', text);
    return this.#records.add({ fileLine, stderrLine }, isAlone);
  }

  /** @throws AppError SYS_FILE */
  #writeRecords(records: readonly RecordLines[]): void {
    if (this.#fd !== undefined) {
      this.#append(this.#fd, records.map(({ fileLine }) => fileLine).join(''));
    }
    const stderrLines = records.map(({ stderrLine }) => stderrLine).join('');
    if (!this.#options.writeStderr(stderrLines) && this.#fd === undefined) {
      throw new AppError('SYS_FILE', 'log: standard error takes no more, and there is no log file');
    }
  }

  #appendToFile(level: LogLevel, text: string): void {
    if (this.#fd !== undefined) {
      this.#append(this.#fd, this.#fileLine(level, text));
    }
  }

  /**
   * @throws AppError SYS_FILE when a part cannot be written; the next line then begins on a line of
   *   its own.
   */
  #append(fd: number, lines: string): void {
    const bytes = Buffer.from(this.#isLineOpen ? `\n${lines}` : lines);
    let written = 0;
    try {
      while (written < bytes.length) {
        written += writeSync(fd, bytes, written);
      }
    } catch (error) {
      throw new AppError('SYS_FILE', `log file: ${messageOf(error)}`, { cause: error });
    } finally {
      this.#isLineOpen = written === 0 ? this.#isLineOpen : bytes[written - 1] !== NEWLINE;
    }
  }

  #writeToStderr(level: LogLevel, text: string): void {
    this.#options.writeStderr(this.#stderrLine(level, text));
  }

  #fileLine(level: LogLevel, text: string): string {
    return `${new Date(this.#options.clock.now()).toISOString()} ${level} ${text}\n`;
  }

  #stderrLine(level: LogLevel, text: string): string {
    const { program, priorities } = this.#options;
    return `${priorities ? `<${SEVERITY[level]}>` : ''}${program}: ${text}\n`;
  }

  /** Opens the file anew, after logrotate has moved it. Keeps the old one when that fails. */
  reopen(): void {
    const { file } = this.#options;
    if (file !== undefined) {
      const next = openLogFile(file, 'log file');
      this.close();
      this.#fd = next;
      this.#isLineOpen = false;
    }
  }

  close(): void {
    this.#records.flush();
    if (this.#fd !== undefined) {
      closeSync(this.#fd);
      this.#fd = undefined;
    }
  }
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${formatValue(value ?? '')}`)
    .join('');
}

/** More than any value a line of the protocol can hold, escaped. */
const MAX_VALUE_CHARACTERS = 256 * 1024;
const BARE_VALUE = /^[A-Za-z0-9_.:/@+,*%-]+$/;

function formatValue(value: string | number): string {
  const text = String(value);
  return BARE_VALUE.test(text) ? text : printable(JSON.stringify(text), MAX_VALUE_CHARACTERS);
}
