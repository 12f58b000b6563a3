// A sender made of dcmjs-dimse: an echo, then a store of each file.
// Arguments: folder of dcmjs-dimse, port, files. Exit code 0 if every status was Success.
// Speaks TLS where ISOCENTER_PEER_TLS says so (peer_tls.cjs).
'use strict';
const [modules, port, ...files] = process.argv.slice(2);
const dimse = require(require.resolve('dcmjs-dimse', { paths: [modules] }));
const { Client } = dimse;
const { CEchoRequest, CStoreRequest } = dimse.requests;
const { Status } = dimse.constants;
const security = require('./peer_tls.cjs');

let open = files.length + 1;
let failed = false;
const client = new Client();
const watch = (request) => {
  request.on('response', (response) => {
    open -= 1;
    if (response.getStatus() !== Status.Success) {
      console.error('status', response.getStatus().toString(16));
      failed = true;
    }
  });
  client.addRequest(request);
};
watch(new CEchoRequest());
files.forEach((file) => watch(new CStoreRequest(file)));
client.on('networkError', (error) => {
  console.error('network error:', error.message);
  process.exit(1);
});
client.on('associationRejected', () => process.exit(1));
client.on('closed', () => process.exit(failed || open !== 0 ? 1 : 0));
client.send('127.0.0.1', Number(port), 'DCMJS', 'ANY-SCP', security);
