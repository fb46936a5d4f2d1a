// An SMSC made of the npm package `smpp`: takes what it is sent, brings what it is told to bring.
// Usage: node smsc.cjs MODULES PORT. One JSON object a line: commands on standard input, what happened on standard output.
'use strict';
const path = require('path');
const readline = require('readline');
const smpp = require(path.join(process.argv[2], 'node_modules', 'smpp'));

let session = null;
let taken = 0;
let refusals = [];
const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n');

const server = smpp.createServer((connected) => {
  connected.on('error', () => {});
  connected.on('close', () => {
    tell({ event: 'closed' });
    if (session === connected) session = null;
  });
  connected.on('enquire_link', (pdu) => connected.send(pdu.response()));
  connected.on('unbind', (pdu) => {
    tell({ event: 'unbind' });
    connected.send(pdu.response());
    connected.close();
  });
  connected.on('bind_transceiver', (pdu) => {
    const good = pdu.system_id === 'axbridge' && pdu.password === 's3cret';
    tell({ event: 'bind', good, version: pdu.interface_version });
    connected.send(pdu.response({ command_status: good ? 0 : smpp.ESME_RBINDFAIL, system_id: 'smsc' }));
    if (good) session = connected;
  });
  connected.on('submit_sm', (pdu) => {
    const status = refusals.length ? refusals.shift() : 0;
    const id = status ? '' : `m${++taken}`;
    const text = pdu.short_message;
    const told = { event: 'submit', id, status, coding: pdu.data_coding, receipt: pdu.registered_delivery, esm: pdu.esm_class };
    Object.assign(told, { from: pdu.source_addr, to: pdu.destination_addr, ton: pdu.dest_addr_ton });
    Object.assign(told, { text: String(text.message ?? ''), udh: (text.udh || []).map((u) => u.toString('hex')) });
    connected.send(pdu.response({ command_status: status, message_id: id }));
    tell(told);
  });
});

// Brings a text, or a part of one; `payload` puts it into message_payload, `sar` gives [reference, total, number].
function deliver(command) {
  const pdu = { source_addr_ton: 1, source_addr_npi: 1, source_addr: command.from };
  Object.assign(pdu, { dest_addr_ton: 1, dest_addr_npi: 1, destination_addr: command.to });
  // Left alone, the package calls its GSM alphabet 1, which SMPP has for ASCII.
  pdu.data_coding = command.coding ?? (/^[\x20-\x7f]*$/.test(command.text) ? 0 : 8);
  const text = pdu.data_coding === 4 ? Buffer.from(command.text) : command.text;
  if (command.receipt) pdu.esm_class = 4;
  if (command.udh) {
    pdu.esm_class = 0x40;
    pdu.short_message = { udh: Buffer.from(command.udh, 'hex'), message: text };
  } else if (command.payload) {
    pdu.message_payload = { message: text };
  } else {
    pdu.short_message = text;
  }
  if (command.sar) [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum] = command.sar;
  session.deliver_sm(pdu, (answer) => tell({ event: 'answer', tag: command.tag, status: answer.command_status }));
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.do === 'refuse') refusals = command.statuses;
  else if (command.do === 'drop') session && session.destroy();
  else if (!session) tell({ event: 'answer', tag: command.tag, status: -1 });
  else deliver(command);
}).on('close', () => process.exit(0));
server.listen(Number(process.argv[3]), '127.0.0.1', () => tell({ event: 'listening' }));
