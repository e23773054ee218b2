// A gRPC client that knows nothing of swaptrail but what the server tells by reflection.
//
//   node client.cjs TARGET list                                every service and method
//   node client.cjs TARGET call SERVICE/METHOD JSON [LIMIT]    one message a line, at most LIMIT
//   node client.cjs TARGET watchers COUNT [JSON]               COUNT streams of WatchLifecycles at once
//
// TARGET is as gRPC has it: unix:/run/swaptrail/api.sock, or HOST:PORT with TLS when TLS_CA is set
// (and TLS_CERT, TLS_KEY). The folder of the packages is NODE_MODULES. An error of the server is a
// last line {"code": 7, "status": "PERMISSION_DENIED", "details": "..."} and exit code 1.
'use strict';
const fs = require('fs');
const path = require('path');
const load = require('module').createRequire(path.join(process.env.NODE_MODULES, 'x.js'));
const grpc = load('@grpc/grpc-js');
const loader = load('@grpc/proto-loader');
const protobuf = load('protobufjs');
const descriptor = load('protobufjs/ext/descriptor');

const QUIET_MS = 3000;
const DEADLINE_MS = Number(process.env.DEADLINE_MS || 30000);
const SHAPE = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
// The part of grpc.reflection.v1alpha that is used, as every server has it.
const REFLECTION = `
syntax = "proto3";
package grpc.reflection.v1alpha;
service ServerReflection {
  rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}
message ServerReflectionRequest {
  oneof message_request { string file_containing_symbol = 4; string list_services = 7; string file_by_filename = 3; }
}
message ServerReflectionResponse {
  oneof message_response { Files file_descriptor_response = 4; Services list_services_response = 6; Failure error_response = 7; }
}
message Files { repeated bytes file_descriptor_proto = 1; }
message Services { repeated Service service = 1; }
message Service { string name = 1; }
message Failure { int32 error_code = 1; string error_message = 2; }
`;

function credentials() {
  const file = (name) => (process.env[name] ? fs.readFileSync(process.env[name]) : null);
  if (!process.env.TLS_CA) return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(file('TLS_CA'), file('TLS_KEY'), file('TLS_CERT'));
}

function reflection(target) {
  const root = protobuf.parse(REFLECTION, { keepCase: true }).root;
  const packed = loader.fromJSON(root.toJSON({ keepComments: false }), SHAPE);
  const Client = grpc.loadPackageDefinition(packed).grpc.reflection.v1alpha.ServerReflection;
  return new Client(target, credentials());
}

// One question, one answer.
function ask(client, request) {
  return new Promise((resolve, reject) => {
    const call = client.ServerReflectionInfo({ deadline: Date.now() + DEADLINE_MS });
    call.on('data', (answer) => { resolve(answer); call.end(); });
    call.on('error', reject);
    call.write(request);
  });
}

async function services(client) {
  const answer = await ask(client, { list_services: '' });
  return answer.list_services_response.service.map((one) => one.name);
}

// The service's file and all that it imports.
async function describe(client, symbol) {
  const files = new Map();
  const wanted = [{ file_containing_symbol: symbol }];
  while (wanted.length > 0) {
    const answer = await ask(client, wanted.pop());
    if (answer.error_response) throw new Error(answer.error_response.error_message);
    for (const bytes of answer.file_descriptor_response.file_descriptor_proto) {
      const file = descriptor.FileDescriptorProto.decode(bytes);
      if (files.has(file.name)) continue;
      files.set(file.name, file);
      for (const name of file.dependency) if (!files.has(name)) wanted.push({ file_by_filename: name });
    }
  }
  const set = descriptor.FileDescriptorSet.create({ file: [...files.values()] });
  return loader.loadFileDescriptorSetFromBuffer(
    Buffer.from(descriptor.FileDescriptorSet.encode(set).finish()), SHAPE);
}

function print(value) { process.stdout.write(JSON.stringify(value) + '\n'); }

function failed(error) {
  print({ code: error.code, status: grpc.status[error.code] || 'FAILED', details: error.details || String(error.message) });
  process.exit(1);
}

async function list(target) {
  const client = reflection(target);
  for (const name of await services(client)) {
    // gRPC's own health service is listed, but its file is not in the server
    const definition = name.startsWith('grpc.health.') ? {} : (await describe(client, name))[name];
    print({ service: name, methods: Object.keys(definition), streams: Object.keys(definition).filter(
      (method) => definition[method].responseStream) });
  }
  client.close();
}

async function stub(target, service) {
  const client = reflection(target);
  const definition = (await describe(client, service))[service];
  client.close();
  if (!definition) throw new Error(`no service ${service}`);
  return new (grpc.makeGenericClientConstructor(definition, service))(target, credentials(),
    { 'grpc.max_receive_message_length': 64 << 20 });
}

async function call(target, name, text, limit) {
  const [service, method] = name.split('/');
  const client = await stub(target, service);
  const request = text.startsWith('@') ? JSON.parse(fs.readFileSync(text.slice(1))) : JSON.parse(text);
  const options = { deadline: Date.now() + DEADLINE_MS };
  if (!client[method]) throw new Error(`no method ${method}`);
  if (!client[method].responseStream) {
    client[method](request, options, (error, answer) => {
      if (error) failed(error);
      print(answer);
      client.close();
    });
    return;
  }
  let seen = 0;
  const stream = client[method](request, options);
  stream.on('data', (answer) => {
    print(answer);
    if (++seen === limit) stream.cancel();
  });
  stream.on('error', (error) => {
    if (error.code !== grpc.status.CANCELLED) failed(error);
    client.close();
  });
  stream.on('end', () => client.close());
}

// Each on a connection of its own, until standard input ends and nothing has come for a while. Prints
// what each received and missed.
async function watchers(target, count, text) {
  const clients = await Promise.all(Array.from({ length: count }, () => stub(target, 'swaptrail.v1.TraceService')));
  let last = Date.now();
  const opened = [];
  const streams = [];
  const tallies = clients.map((client) => {
    const tally = { received: 0, missed: 0, messages: 0, error: null };
    const stream = client.WatchLifecycles(JSON.parse(text));
    opened.push(new Promise((resolve) => stream.on('metadata', resolve)));
    stream.on('data', (answer) => {
      last = Date.now();
      tally.messages += 1;
      tally.received += answer.lifecycles.length;
      tally.missed += Number(answer.missed);
    });
    stream.on('error', (error) => {
      if (error.code !== grpc.status.CANCELLED) tally.error = error.message;
    });
    streams.push(stream);
    return tally;
  });
  await Promise.all(opened);
  process.stderr.write('watching\n');
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on('end', resolve));
  last = Date.now();
  while (Date.now() - last < QUIET_MS) await new Promise((resolve) => setTimeout(resolve, 100));
  for (const stream of streams) stream.cancel();
  tallies.forEach(print);
  process.exit(0);
}

const [target, verb, ...rest] = process.argv.slice(2);
const verbs = {
  list: () => list(target),
  call: () => call(target, rest[0], rest[1] || '{}', Number(rest[2] || 0)),
  watchers: () => watchers(target, Number(rest[0]), rest[1] || '{}'),
};
if (!verbs[verb]) {
  process.stderr.write('usage: client.cjs TARGET list | call SERVICE/METHOD JSON [LIMIT] | watchers COUNT\n');
  process.exit(2);
}
verbs[verb]().catch(failed);
