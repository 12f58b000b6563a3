// What ISOCENTER_PEER_TLS says (PeerTls as JSON) as options of dcmjs-dimse; {} where it is not set.
'use strict';
const fs = require('fs');
const given = process.env.ISOCENTER_PEER_TLS;
if (given === undefined) {
  module.exports = {};
} else {
  const { private_key, certificate, authority, peer_certificate } = JSON.parse(given);
  const own = certificate
    ? { key: fs.readFileSync(private_key), cert: fs.readFileSync(certificate) }
    : {};
  const demanded = peer_certificate === 'require';
  module.exports = {
    securityOptions: {
      ...own,
      ca: fs.readFileSync(authority),
      requestCert: demanded,
      rejectUnauthorized: demanded,
    },
  };
}
