// A PIV card in software with Yubico's additions: what a YubiKey 5 answers to the commands that
// OpenSC and ykcs11 send (SP 800-73-4 part 2 §3). Tests use it in place of a card; its counters
// show which commands it was sent.

import { StatusError, SW, type Apdu } from './apdu.js';
import { CardKey, typeOfAlgorithm, type CardKeyType } from './card-key.js';
import { CardLogin, PIN_REFERENCE, PUK_REFERENCE } from './card-login.js';
import {
  firstObjects,
  formatApplicationTemplate,
  formatCertificateObject,
  formatDiscovery,
  PIV_APPLICATION_PREFIX,
} from './card-objects.js';
import { formatCertificate } from './certificate.js';
import { ManagementKey } from './management-key.js';
import { SLOTS, type KeySlotName, type Slot } from './slot.js';
import { formatTlv, parseTlvs, valueOf, type Tlv } from './tlv.js';
import { Touch } from './touch.js';
import {
  formatAttestation,
  formatManagementMetadata,
  formatReferenceMetadata,
  formatSerial,
  formatSlotMetadata,
  VERSION,
} from './yubico.js';

const MANAGEMENT_REFERENCE = 0x9b;
const DISCOVERY_OBJECT = '7e';
const ATTESTATION_ISSUER = 'Attestation of a virtual card';
const EMPTY = Buffer.alloc(0);

export interface CardOptions {
  readonly serial: number;
  readonly pin: string;
  readonly puk: string;
  readonly keys: Readonly<Partial<Record<KeySlotName, CardKeyType>>>;
}

export interface CardStatistics {
  /** VERIFY with a PIN in it. */
  readonly verifyRight: number;
  readonly verifyWrong: number;
  readonly pinTriesLeft: number;
  readonly pukTriesLeft: number;
  /** Signatures that were begun (and may wait for a touch), and those that were answered. */
  readonly signaturesBegun: number;
  readonly signatures: number;
}

export class VirtualCard {
  readonly touch = new Touch();
  readonly #serial: number;
  readonly #login: CardLogin;
  readonly #management = new ManagementKey();
  readonly #slots = new Map<number, Slot>();
  readonly #objects: Map<string, Buffer>;
  #isSelected = false;
  #signaturesBegun = 0;
  #signatures = 0;

  constructor(options: CardOptions) {
    this.#serial = options.serial;
    this.#login = new CardLogin(options.pin, options.puk);
    this.#objects = firstObjects(options.serial);
    this.#fill('f9', 'p256', ATTESTATION_ISSUER);
    for (const name of ['9a', '9c', '9d', '9e'] as const) {
      const type = options.keys[name];
      if (type !== undefined) {
        this.#fill(name, type, `Virtual card ${options.serial} ${name}`);
      }
    }
  }

  /** Public keys by slot, in PEM. */
  publicKeys(): Record<string, string> {
    const keys: Record<string, string> = {};
    for (const { reference, key } of this.#slots.values()) {
      const pem = key.publicKey.export({ format: 'pem', type: 'spki' });
      keys[reference.toString(16)] = pem.toString();
    }
    return keys;
  }

  statistics(): CardStatistics {
    const { pin, puk } = this.#login;
    return {
      verifyRight: pin.right,
      verifyWrong: pin.wrong,
      pinTriesLeft: pin.left,
      pukTriesLeft: puk.left,
      signaturesBegun: this.#signaturesBegun,
      signatures: this.#signatures,
    };
  }

  /** Power off, a reset, or a removal: ends the login. */
  reset(): void {
    this.#isSelected = false;
    this.#login.end();
    this.#management.reset();
    this.touch.giveUp();
  }

  /** One command, its chain put together. @throws StatusError */
  handle(apdu: Apdu): Buffer | Promise<Buffer> {
    if (apdu.ins === 0xa4) {
      return this.#select(apdu);
    }
    if (!this.#isSelected) {
      throw new StatusError(SW.unknownInstruction);
    }
    switch (apdu.ins) {
      case 0x20:
        return this.#login.verify(apdu);
      case 0x24:
        return this.#login.change(apdu);
      case 0x2c:
        return this.#login.unblock(apdu);
      case 0x47:
        return this.#generate(apdu);
      case 0x87:
        return this.#authenticate(apdu);
      case 0xcb:
        return this.#getData(apdu.data);
      case 0xdb:
        return this.#putData(apdu.data);
      case 0xf7:
        return this.#metadata(apdu.p2);
      case 0xf8:
        return formatSerial(this.#serial);
      case 0xf9:
        return this.#attest(apdu.p1);
      case 0xfd:
        return VERSION;
      case 0xff:
        return this.#setManagementKey(apdu.data);
      default:
        throw new StatusError(SW.unknownInstruction);
    }
  }

  #fill(name: keyof typeof SLOTS, type: CardKeyType, subject: string): void {
    const key = new CardKey(type);
    const slot = { ...SLOTS[name], key };
    this.#slots.set(slot.reference, slot);
    const certificate = formatCertificate({
      subject,
      publicKey: key.publicKey,
      issuer: subject,
      issuerKey: key.privateKey,
    });
    this.#objects.set(slot.certificateObject, formatCertificateObject(certificate));
  }

  #select({ p1, data }: Apdu): Buffer {
    const isPiv =
      data.length >= PIV_APPLICATION_PREFIX.length &&
      data.subarray(0, PIV_APPLICATION_PREFIX.length).equals(PIV_APPLICATION_PREFIX);
    if (p1 !== 4 || !isPiv) {
      throw new StatusError(SW.notFound);
    }
    this.#isSelected = true;
    return formatApplicationTemplate();
  }

  #generate({ p2, data }: Apdu): Buffer {
    this.#assertAdministrator();
    const template = valueOf(parseTlvs(data), 0xac) ?? EMPTY;
    const type = typeOfAlgorithm(valueOf(parseTlvs(template), 0x80)?.[0] ?? 0);
    const facts = Object.values(SLOTS).find(({ reference }) => reference === p2);
    if (type === undefined || facts === undefined) {
      throw new StatusError(SW.wrongParameters);
    }
    const key = new CardKey(type);
    this.#slots.set(p2, { ...facts, key });
    return formatTlv(0x7f49, key.formatPublic());
  }

  #authenticate({ p1, p2, data }: Apdu): Buffer | Promise<Buffer> {
    const template = parseTlvs(valueOf(parseTlvs(data), 0x7c) ?? EMPTY);
    if (p2 === MANAGEMENT_REFERENCE) {
      return formatTlv(0x7c, this.#management.authenticate(template));
    }
    const slot = this.#slots.get(p2);
    if (slot?.key.algorithm !== p1) {
      throw new StatusError(SW.wrongParameters);
    }
    return this.#usePrivateKey(slot, template);
  }

  async #usePrivateKey({ pinPolicy, key }: Slot, template: readonly Tlv[]): Promise<Buffer> {
    this.#login.useKey(pinPolicy);
    this.#signaturesBegun += 1;
    if (!(await this.touch.wait())) {
      throw new StatusError(SW.securityStatus);
    }
    const challenge = valueOf(template, 0x81);
    const point = valueOf(template, 0x85);
    if (challenge === undefined && point === undefined) {
      throw new StatusError(SW.wrongData);
    }
    const result = challenge === undefined ? key.agree(point ?? EMPTY) : key.sign(challenge);
    this.#signatures += 1;
    return formatTlv(0x7c, formatTlv(0x82, result));
  }

  #getData(data: Buffer): Buffer {
    const id = valueOf(parseTlvs(data), 0x5c)?.toString('hex') ?? '';
    if (id === DISCOVERY_OBJECT) {
      return formatDiscovery();
    }
    const object = this.#objects.get(id);
    if (object === undefined) {
      throw new StatusError(SW.notFound);
    }
    return formatTlv(0x53, object);
  }

  #putData(data: Buffer): Buffer {
    this.#assertAdministrator();
    const fields = parseTlvs(data);
    const id = valueOf(fields, 0x5c)?.toString('hex');
    const value = valueOf(fields, 0x53);
    if (id === undefined || value === undefined) {
      throw new StatusError(SW.wrongData);
    }
    if (value.length === 0) {
      this.#objects.delete(id);
    } else {
      this.#objects.set(id, Buffer.from(value));
    }
    return EMPTY;
  }

  #metadata(reference: number): Buffer {
    switch (reference) {
      case PIN_REFERENCE:
        return formatReferenceMetadata(this.#login.pin);
      case PUK_REFERENCE:
        return formatReferenceMetadata(this.#login.puk);
      case MANAGEMENT_REFERENCE:
        return formatManagementMetadata();
      default:
        return formatSlotMetadata(this.#slotOf(reference));
    }
  }

  #attest(reference: number): Buffer {
    return formatAttestation({
      slot: this.#slotOf(reference),
      issuer: ATTESTATION_ISSUER,
      issuerKey: this.#slotOf(SLOTS.f9.reference).key,
      serial: this.#serial,
    });
  }

  #slotOf(reference: number): Slot {
    const slot = this.#slots.get(reference);
    if (slot === undefined) {
      throw new StatusError(SW.noReference);
    }
    return slot;
  }

  #setManagementKey(data: Buffer): Buffer {
    this.#assertAdministrator();
    this.#management.replace(data.subarray(3));
    return EMPTY;
  }

  #assertAdministrator(): void {
    if (!this.#management.isAuthenticated) {
      throw new StatusError(SW.securityStatus);
    }
  }
}
