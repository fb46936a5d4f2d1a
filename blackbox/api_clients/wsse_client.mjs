#!/usr/bin/env node
// A customer of the PrivateNumber API, written from its reference alone: Node.js without packages, the older WSSE
// scheme, and the habits of clients in the field: the digest of the hexadecimal text, Beijing time with a literal Z,
// numbers and booleans where the reference says String, `, ` between attributes, parameters of a DELETE in its body.
//
// It runs the whole life of one mode, as aksk_client.py does and with the same arguments and lines on its output, and is
// its own receiver of notifications, whose WSSE signature it checks.

import crypto from 'node:crypto';
import http from 'node:http';
import readline from 'node:readline';

const AUTHORIZATION = 'WSSE realm="SDP",profile="UsernameToken",type="Appkey"';

class Failed extends Error {}

function check(condition, what) {
  if (!condition) throw new Failed(typeof what === 'string' ? what : JSON.stringify(what));
}

function same(got, wanted, what) {
  check(JSON.stringify(got) === JSON.stringify(wanted), `${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

function sha256(text, form) {
  return crypto.createHash('sha256').update(text).digest(form);
}

const options = {};
for (let i = 2; i < process.argv.length; i += 2) options[process.argv[i].replace(/^--/, '')] = process.argv[i + 1];
const { url, key, secret, mode } = options;
const numbers = options.numbers.split(',');
const parties = options.parties.split(',');

let requests = 0;

function credentials() {
  requests += 1;
  const nonce = crypto.randomBytes(16).toString('hex');
  // Half of the clients in the field send local time, half hash the hexadecimal text.
  const hours = requests % 2 ? 0 : 8;
  const created = new Date(Date.now() + hours * 3600_000).toISOString().replace(/\.\d+Z$/, 'Z');
  const text = nonce + created + secret;
  const digest = requests % 3 ? sha256(text, 'base64') : Buffer.from(sha256(text, 'hex')).toString('base64');
  return `UsernameToken Username="${key}", PasswordDigest="${digest}", Nonce="${nonce}", Created="${created}"`;
}

function exchange(method, path, body, headers) {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    // Node frames the body of a DELETE only if told its length; without it the body is no part of the request.
    const framed = payload ? { ...headers, 'content-length': payload.length } : headers;
    const request = http.request(new URL(path, url), { method, headers: framed, agent: false, timeout: 20_000 }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, content: Buffer.concat(parts) }));
    });
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.end(payload);
  });
}

function send(method, path, { query, body } = {}) {
  const full = query ? `${path}?${Object.entries(query).map(([n, v]) => `${n}=${encodeURIComponent(v)}`).join('&')}` : path;
  return exchange(method, full, body, {
    'content-type': 'application/json;charset=UTF-8',
    authorization: AUTHORIZATION,
    'x-wsse': credentials(),
  });
}

async function ok(method, path, how) {
  const answer = await send(method, path, how);
  const result = JSON.parse(answer.content);
  check(answer.status === 200 && result.resultcode === '0', `${method} ${path}: ${answer.status} ${answer.content}`);
  return result;
}

async function refused(code, method, path, how) {
  const answer = await send(method, path, how);
  const result = JSON.parse(answer.content);
  same([answer.status, result.resultcode], [403, code], `${method} ${path}`);
}

// --- notifications -------------------------------------------------------------------------------------------------

const told = [];
let wake = () => {};
let answerTo = () => undefined;

function signatureProblem(headers) {
  if (headers.authorization !== AUTHORIZATION) return `Authorization of a notification: ${headers.authorization}`;
  const token = Object.fromEntries([...(headers['x-wsse'] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map((m) => [m[1], m[2]]));
  const wanted = sha256(token.Nonce + token.Created + secret, 'base64');
  return token.Username === key && token.PasswordDigest === wanted ? undefined : 'a notification is not signed with the key';
}

const receiver = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(parts));
    const reply = body.statusInfo?.notifyMode === 'Block' ? answerTo(body.statusInfo) : undefined;
    response.writeHead(200, reply ? { 'content-type': 'application/json' } : {});
    response.end(reply ? JSON.stringify(reply) : '');
    told.push({ body, problem: signatureProblem(request.headers) });
    wake();
  });
});

async function nextTold(limit) {
  while (told.length === 0) {
    const left = limit - Date.now();
    check(left > 0, 'not told to the end of the call');
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, left);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  return told.shift();
}

let early = []; // events of the call of this moment that were read before its end

async function sessionOf(event) {
  const limit = Date.now() + 30_000;
  while (early.at(-1)?.eventType !== event) {
    const { body, problem } = await nextTold(limit);
    check(!problem, problem ?? '');
    early.push(body);
  }
  return early.at(-1).statusInfo.sessionId;
}

async function toldOfCall() {
  const limit = Date.now() + 30_000;
  const events = early;
  early = [];
  let record;
  while (!record || events.at(-1)?.eventType !== 'disconnect') {
    const { body, problem } = await nextTold(limit);
    check(!problem, problem ?? '');
    if (body.eventType === 'fee') [record] = body.feeLst;
    else events.push(body);
  }
  return { events, names: events.map((e) => e.eventType), infos: events.map((e) => e.statusInfo), record };
}

// --- calls ---------------------------------------------------------------------------------------------------------

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Has `caller` dial a number, be put through to `reaches` (null: to nobody), talk and hang up; or be `stopped`.
async function call(caller, dialled, reaches, { keys = null, seconds = 1, stopped = false } = {}) {
  console.log(JSON.stringify({ want: 'call', caller, dialled, reaches, keys, seconds, stopped }));
  if (stopped) same(await stop(await sessionOf('answer')), [200, '0'], 'call stop');
  const said = await input.next();
  check(said.value?.trim() === 'done', `no call: ${said.value}`);
  const all = await toldOfCall();
  same([all.infos[0].caller, all.infos[0].called], [caller, dialled], 'callin');
  check(all.infos.every((i) => i.sessionId === all.record.sessionId), 'one call has one sessionId');
  check(all.infos.every((i) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(i.timestamp)), all.infos);
  check(Number.isInteger(all.infos.at(-1).stateCode), all.infos.at(-1));
  check(Number.isInteger(all.record.direction) && typeof all.record.serviceType === 'string', all.record);
  same([all.record.callerNum, all.record.calleeNum, all.record.appKey], [caller, dialled, key], 'record');
  return all;
}

async function stop(sessionid) {
  const answer = await send('POST', '/rest/httpsessions/callStop/v2.0', { body: { sessionid, signal: 'call_stop' } });
  return [answer.status, JSON.parse(answer.content).resultcode];
}

// A call that the application ends, and cannot end again.
async function stopped(caller, dialled, reaches, shown, direction) {
  const all = await call(caller, dialled, reaches, { stopped: true });
  talked(all.record, reaches, shown, direction);
  same(all.infos.at(-1).stateCode, 0, 'stateCode of a call that was stopped');
  same(await stop(all.record.sessionId), [403, '1020152'], 'stop of a call that is over');
}

function talked(record, callee, shown, direction) {
  same(
    [record.fwdDstNum, record.fwdDisplayNum, record.direction, record.ulFailReason],
    [callee, shown, direction, 0],
    'record of a talk',
  );
  check(record.fwdAnswerTime, record);
}

const failedWith = (all, code) => same(all.record.ulFailReason, code, 'ulFailReason');

async function recording(record) {
  const answer = await send('GET', '/rest/provision/voice/record/v1.0', {
    query: { fileName: record.recordObjectName, recordDomain: record.recordDomain },
  });
  same(answer.status, 301, 'recording');
  const where = new URL(answer.headers.location);
  const file = await exchange('GET', where.pathname + where.search, undefined, {});
  same([file.status, file.content.toString('latin1', 0, 4)], [200, 'RIFF'], 'download');
}

// --- the life of each mode -----------------------------------------------------------------------------------------

const [a, b, other] = parties;
const lives = {
  async axb() {
    const path = '/rest/caas/relationnumber/partners/v1.0';
    const body = { callerNum: a, relationNum: numbers[0], calleeNum: b, recordFlag: true, privateSms: true, duration: '86400' };
    const { subscriptionId, relationNum } = await ok('POST', path, { body });
    same(relationNum, numbers[0], 'relationNum');
    const found = await ok('GET', path, { query: { relationNum, pageIndex: 1, pageSize: 5 } });
    same([found.totalCount, found.relationNumList[0].subscriptionId], [1, subscriptionId], 'query');
    await refused('1012010', 'POST', path, { body: { ...body, callerNum: other } });
    const first = await call(a, relationNum, b, { seconds: 4 });
    same(first.names, ['callin', 'callout', 'alerting', 'answer', 'disconnect'], 'events');
    talked(first.record, b, relationNum, 1);
    await recording(first.record);
    await stopped(b, relationNum, a, relationNum, 0);
    await ok('PUT', path, { body: { subscriptionId, callDirection: 2 } });
    failedWith(await call(a, relationNum, null), 8016);
    await ok('DELETE', path, { body: { relationNum } });
    failedWith(await call(a, relationNum, null), 8014);
    await refused('1012007', 'GET', path, { query: { subscriptionId } });
  },

  async ax() {
    const path = '/rest/provision/caas/privatenumber/v1.0';
    const body = { origNum: a, areaCode: '0755', privateNumType: 'mobile-virtual', areaMatchMode: 0, calleeNumDisplay: 0, recordFlag: true };
    const { subscriptionId, privateNum } = await ok('POST', path, { body });
    check(numbers.includes(privateNum), privateNum);
    const query = { origNum: a };
    same((await ok('GET', path, { query })).privateNumList.map((i) => i.privateNum), [privateNum], 'query');
    const callee = '/rest/caas/privatenumber/calleenumber/v1.0';
    await refused('1010002', 'PUT', callee, { body: { privateNum } });
    await ok('PUT', callee, { body: { subscriptionId, calleeNum: b } });
    talked((await call(a, privateNum, b)).record, b, privateNum, 1);
    const inward = await call(other, privateNum, a, { seconds: 4 });
    talked(inward.record, a, privateNum, 0);
    await recording(inward.record);
    await stopped(a, privateNum, b, privateNum, 1);
    await ok('PUT', path, { body: { subscriptionId, turnFlag: 'off', privateSms: false } });
    same((await ok('GET', path, { query: { subscriptionId } })).privateNumList[0].turnFlag, 'off', 'turnFlag');
    await ok('DELETE', path, { body: { subscriptionId } });
    failedWith(await call(other, privateNum, null), 8018);
  },

  async axe() {
    const path = '/rest/caas/extendnumber/v1.0';
    const body = { areaCode: '0755', bindNum: a, displayNumMode: 0, recordFlag: true, timeUnit: 1, bindExpiredTime: 600, callbackNum: b };
    const { subscriptionId, virtualNum, extendNum } = await ok('POST', path, { body });
    const found = await ok('GET', path, { query: { virtualNum, extendNum } });
    same([found.bindNum, found.callbackNum, found.timeUnit, found.bindExpiredTime], [a, b, '1', 600], 'query');
    // Nobody has called yet: A reaches callbackNum.
    talked((await call(a, virtualNum, b)).record, b, virtualNum, 1);
    const inward = await call(other, virtualNum, a, { keys: extendNum, seconds: 4 });
    same(inward.names, ['callin', 'collectInfo', 'callout', 'alerting', 'answer', 'disconnect'], 'events');
    same([inward.infos[1].digitInfo, inward.record.extendNum], [extendNum, extendNum], 'extension');
    talked(inward.record, a, virtualNum, 0);
    await recording(inward.record);
    await stopped(a, virtualNum, other, virtualNum, 1);
    await ok('PUT', path, { body: { subscriptionId, callbackNum: '', userData: 'order-2' } });
    const changed = await ok('GET', path, { query: { subscriptionId } });
    same([changed.callbackNum ?? '', changed.userData], ['', 'order-2'], 'modified');
    await ok('DELETE', path, { query: { virtualNum, extendNum } });
    await refused('1016001', 'DELETE', path, { query: { virtualNum, extendNum } });
  },

  async axyb() {
    const path = `/rest/omp/xyrelationnumber/v1.0?app_key=${key}`;
    const { subscriptionId, relationNumber: x } = await ok('POST', path, { body: { origNum: a, areaCode: '0755', duration: '3600', recordFlag: true } });
    // A stranger calls first: a Y is given to him on the fly.
    const first = await call(other, x, a, { seconds: 4 });
    const y = first.record.fwdDisplayNum;
    check(numbers.includes(y) && y !== x, first.record);
    talked(first.record, a, y, 0);
    await recording(first.record);
    await stopped(a, y, other, x, 1);
    const relations = async () => (await ok('GET', `${path}&subscriptionId=${subscriptionId}`)).xyRelationNumList;
    same((await relations()).map((r) => [r.numA, r.numX, r.numY, r.numB]), [[a, x, y, other]], 'query');
    await ok('DELETE', `${path}&subscriptionId=${subscriptionId}&bNum=${encodeURIComponent(other)}`);
    failedWith(await call(a, y, null), 8030);
    await ok('DELETE', path, { body: { subscriptionId } });
    await refused('1016001', 'GET', `${path}&subscriptionId=${subscriptionId}`);
  },

  async x() {
    const x = numbers[0];
    answerTo = () => ({ operation: 'connect', connectInfo: [{ calleeNum: b, recordFlag: 'true', userData: 'u1' }] });
    const through = await call(a, x, b, { seconds: 4 });
    same(through.names, ['callin', 'callout', 'alerting', 'answer', 'disconnect'], 'events');
    same([through.infos[0].notifyMode, through.record.userData, through.record.fwdDstNum], ['Block', 'u1', b], 'X mode');
    await recording(through.record);
    await stopped(other, x, b, x, 2);
    answerTo = () => ({ operation: 'close', closeInfo: {} });
    failedWith(await call(a, x, null), 8017);
    answerTo = () => ({ operation: 'connect', connectInfo: { calleeNum: b, waitVoice: 'none.wav' } });
    same((await call(a, x, null)).infos.at(-1).stateCode, 8006, 'a voice file that is not there');
  },
};

receiver.listen(Number(options.port), '127.0.0.1', async () => {
  try {
    await lives[mode]();
    console.log(JSON.stringify({ done: true }));
    process.exit(0);
  } catch (problem) {
    console.log(JSON.stringify({ failed: String(problem.stack ?? problem) }));
    process.exit(1);
  }
});
