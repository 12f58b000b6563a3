// A requestor made of dcmjs-dimse: asks for all studies and prints each match as a line of JSON.
// Arguments: folder of dcmjs-dimse, port, called AE title. Exit code 0 if the last status was
// Success.
'use strict';
const [modules, port, called] = process.argv.slice(2);
const dimse = require(require.resolve('dcmjs-dimse', { paths: [modules] }));
const { Client } = dimse;
const { CFindRequest } = dimse.requests;
const { Status } = dimse.constants;

let last = -1;
const client = new Client();
const request = CFindRequest.createStudyFindRequest({ PatientName: '*', StudyInstanceUID: '' });
request.on('response', (response) => {
  last = response.getStatus();
  if (last === Status.Pending && response.hasDataset()) {
    console.log(JSON.stringify(response.getDataset().getElements()));
  }
});
client.addRequest(request);
client.on('networkError', (error) => {
  console.error('network error:', error.message);
  process.exit(1);
});
client.on('associationRejected', () => process.exit(1));
client.on('closed', () => process.exit(last === Status.Success ? 0 : 1));
client.send('127.0.0.1', Number(port), 'DCMJS', called);
