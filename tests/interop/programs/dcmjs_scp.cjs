// A receiver made of dcmjs-dimse: keeps each data set as it came, byte for byte.
// Arguments: folder of dcmjs-dimse, port, output folder. Ends with SIGTERM. Speaks TLS where
// ISOCENTER_PEER_TLS says so (peer_tls.cjs).
'use strict';
const fs = require('fs');
const path = require('path');
const { Writable } = require('stream');
const [modules, port, folder] = process.argv.slice(2);
const dimse = require(require.resolve('dcmjs-dimse', { paths: [modules] }));
const { Server, Scp, Dataset } = dimse;
const { CEchoResponse, CStoreResponse } = dimse.responses;
const { Status, PresentationContextResult, SopClass } = dimse.constants;
const security = require('./peer_tls.cjs');

class Kept extends Writable {
  constructor() {
    super();
    this.parts = [];
  }
  _write(part, encoding, done) {
    this.parts.push(Buffer.from(part));
    done();
  }
}

class Receiver extends Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
    }
    this.sendAssociationAccept();
  }
  createStoreWritableStream(context) {
    this.syntax = context.getAcceptedTransferSyntaxUid();
    return new Kept();
  }
  createDatasetFromStoreWritableStream(stream, context, callback) {
    this.bytes = Buffer.concat(stream.parts);
    callback(new Dataset({}, context.getAcceptedTransferSyntaxUid()));
  }
  cEchoRequest(request, callback) {
    const response = CEchoResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }
  cStoreRequest(request, callback) {
    const uid = request.getAffectedSopInstanceUid();
    fs.writeFileSync(path.join(folder, `${uid}.${this.syntax}.raw`), this.bytes);
    const response = CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }
  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

const server = new Server(Receiver);
server.on('networkError', (error) => console.error('network error:', error.message));
server.listen(Number(port), security);
process.on('SIGTERM', () => process.exit(0));
