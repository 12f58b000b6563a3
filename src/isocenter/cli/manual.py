"""What man pages, reference pages and `--help` say beside the options: data only.

Owns descriptions, examples and environment variables. Must not know options (`spec`), exit
codes (`exitcodes`) nor how any of it is laid out. Imported only where something is shown, so
that no transfer pays for it.
"""

from __future__ import annotations

__all__ = ["MANUALS", "SHELLS", "Manual"]

SHELLS = ("bash", "zsh", "fish")
"""For which `isocenter completion` has a script."""


class Manual:
    """What is to be said about a tool.

    Attributes:
        description: paragraphs.
        examples: what each does, and the command line, which a shell would take.
        environment: variables and what they do.
        signals: what each signal does, where that is not the usual.
    """

    __slots__ = ("description", "environment", "examples", "signals")

    def __init__(
        self,
        description: tuple[str, ...],
        *,
        examples: tuple[tuple[str, str], ...],
        environment: tuple[tuple[str, str], ...] = (),
        signals: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Keep the facts."""
        self.description = description
        self.examples = examples
        self.environment = environment
        self.signals = signals


_GRAMMAR = (
    "Options may stand before, between and behind the parameters. They are neither abbreviated "
    "nor joined, and a value is an argument of its own. Of alternatives the rightmost one wins. "
    "An argument @FILE is replaced by the arguments in that file."
)

_TLS_REQUESTOR = (
    "With --enable-tls the peer is called with TLS and shown the certificate, with "
    "--anonymous-tls it is shown none. Nobody is trusted but whom --add-cert-file, --add-cert-dir "
    "and --system-ca name; whether the certificate is of the host that was called is looked at "
    "with --verify-host alone. A certificate file may have those of authorities between it and a "
    "root behind it. Where a key is encrypted and no password is given, it is asked for on the "
    "terminal."
)

_SOCKETS = (
    (
        "TCP_NODELAY",
        "0 switches Nagle's algorithm on; by default it is off, as it delays every object",
    ),
    (
        "TCP_BUFFER_LENGTH",
        "size in bytes of the socket's send and receive buffers; by default the system chooses",
    ),
)

_DICTIONARY = (
    (
        "DCMDICTPATH",
        (
            "files of further attributes in DCMTK's format, separated by colons; they are added to "
            "the built-in dictionary, and win over it"
        ),
    ),
)

_SHOWN = (
    ("NO_COLOR", "if it is set and not empty, the help text on a terminal has no emphasis"),
    ("TERM", "where it is dumb, or not set, the help text has no emphasis either"),
    ("COLUMNS", "the width that the help text on a terminal is wrapped to, instead of its own"),
)

MANUALS = {
    "dcmqrscp": Manual(
        (
            (
                "dcmqrscp is a DICOM archive: it stores what is sent to it with C-STORE, answers "
                "queries with C-FIND, and sends what is asked for with C-GET and C-MOVE. Each AE "
                "title of its configuration file stands for a storage area, a folder with objects "
                "and their index, and for the peers that may use it."
            ),
            (
                "Success is answered when an object is complete on disk under its name and in the "
                "index, and both outlast a power failure, unless --no-durable is given. What "
                "cannot be indexed is kept apart, answered C000 and told."
            ),
            (
                "A storage area of DCMTK's dcmqrscp is taken over by isocenter index import. "
                "isocenter index check compares an area with its index, isocenter archive runs the "
                "same server without a configuration file."
            ),
            _GRAMMAR,
        ),
        examples=(
            ("serve as dcmqrscp.cfg in this folder says", "dcmqrscp -v 11112"),
            (
                "with another file and port, answers in UTF-8",
                "dcmqrscp -c /etc/isocenter/dcmqrscp.cfg +U8 -Cr 11112",
            ),
            (
                "let objects be moved to who asks for them alone",
                "dcmqrscp -ZA 11112",
            ),
            (
                "with TLS in both directions",
                "dcmqrscp +tls my.key my.pem +cf ca.pem 2762",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
    ),
    "dcmrecv": Manual(
        (
            (
                "dcmrecv listens on a port, answers any number of DICOM peers at a time and writes "
                "each object that they send with C-STORE to a file of its own, in the transfer "
                "syntax in which it came. A file appears under its name when it is complete."
            ),
            (
                "What is accepted stands in a profile (--config-file). Without one dcmrecv answers "
                "echoes alone, and rejects everybody who proposes nothing else; the profiles "
                "Default and AllDICOM of storescp.cfg are built in."
            ),
            (
                "Data sets are written as DCMTK's dcmrecv writes them: sequences of undefined "
                "length, values as received. --bit-preserving keeps every byte. What cannot be "
                "read as a data set is kept as it came. UIDs of a data set that are not those of "
                "its request are told of, and the object is kept."
            ),
            (
                "Files of TLS, rules and users are read anew at SIGHUP. An association on which "
                "nothing comes for 60 seconds is ended."
            ),
            _GRAMMAR,
        ),
        examples=(
            (
                "receive images of all kinds into a folder and say what comes",
                "dcmrecv -v -xf storescp.cfg AllDICOM -od received 11112",
            ),
            (
                "a folder for each day of acquisition, short names",
                "dcmrecv -xf storescp.cfg Default -od received +ssd +fsu -fe .dcm 11112",
            ),
            (
                "keep every byte as it came",
                "dcmrecv -xf storescp.cfg AllDICOM -od received +B 11112",
            ),
            (
                "answer only those that call this title",
                "dcmrecv -xf storescp.cfg Default -aet ARCHIVE -od received 11112",
            ),
            (
                "over TLS, from scanners with certificates of ca.pem",
                "dcmrecv -xf storescp.cfg Default +tls my.key my.pem +cf ca.pem -od in 2762",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
    ),
    "dcmsend": Manual(
        (
            (
                "dcmsend looks at files, proposes to a DICOM peer what they need, and sends them "
                "with C-STORE: over one association, and over as many more as it takes where 128 "
                "presentation contexts are not enough. A file goes out byte for byte where the "
                "peer accepts its transfer syntax; otherwise it is converted, and decompressed as "
                "the options allow."
            ),
            (
                "All files are looked at before the first one is sent. With --no-halt or --stream "
                "that goes on beside sending, and a large folder begins to be sent at once; what "
                "an association proposes is then what the files ahead need."
            ),
            (
                "With --read-from-dicomdir a DICOMDIR stands for the files that it refers to. One "
                "that is missing, or that is not below the folder of the DICOMDIR, is an invalid "
                "file."
            ),
            (
                "The report appears under its name when it is complete, once all files had their "
                "turn. What is compressed with codecs beyond RLE and deflate needs the extra "
                'tools: pip install "isocenter[tools]"; --list-decoders says what is there.'
            ),
            _TLS_REQUESTOR,
            _GRAMMAR,
        ),
        examples=(
            (
                "send a folder and those in it, whatever kinds of objects there are",
                "dcmsend -v +sd +r -aec ARCHIVE pacs.example.org 104 images/",
            ),
            (
                "send a disc, and write down what became of each object",
                "dcmsend +rd +crf report.txt pacs.example.org 104 /media/cdrom/DICOMDIR",
            ),
            (
                "go on where a file is no good, and begin to send at once",
                "dcmsend -nh +sd +r pacs.example.org 104 archive/",
            ),
            (
                "decompress lossy images, too, for a peer that takes no compression",
                "dcmsend +dly pacs.example.org 104 image.dcm",
            ),
            (
                "over TLS, identified by a JSON Web Token",
                "dcmsend +tla +cf ca.pem --jwt token.jwt pacs.example.org 2762 image.dcm",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
    ),
    "echoscu": Manual(
        (
            (
                "echoscu opens an association with a DICOM peer, sends a C-ECHO request on it and "
                "says by its exit code whether the answer was success. It shows that host, port "
                "and AE titles are right and that the peer is alive."
            ),
            _TLS_REQUESTOR,
            (
                "--verify-cert and --is-root-cert look at a certificate and call nobody: the first "
                "says whether it would be trusted as that of a peer that is called, with the "
                "options for TLS that stand beside it."
            ),
            _GRAMMAR,
        ),
        examples=(
            ("check a peer and say what happens", "echoscu -v pacs.example.org 11112"),
            (
                "with AE titles, and giving up after five seconds",
                "echoscu -aet MYTITLE -aec ARCHIVE -to 5 -ta 5 -td 5 pacs.example.org 104",
            ),
            (
                "say in plain words why it fails",
                "echoscu --explain -aec ARCHIVE pacs.example.org 104",
            ),
            (
                "with TLS, and a look at whose certificate it is",
                "echoscu +tls my.key my.pem +cf ca.pem --verify-host pacs.example.org 2762",
            ),
            ("show the association in detail", "echoscu -d localhost 11112"),
        ),
        environment=(*_SOCKETS, *_SHOWN),
    ),
    "findscu": Manual(
        (
            (
                "findscu asks a DICOM peer with C-FIND which patients, studies, series, instances "
                "or worklist entries it knows, and reports what it answers: in the log, in files, "
                "or as lines of JSON."
            ),
            (
                "What is asked is said by keys (--key), by query files, or by both: then the keys "
                "take the place of what a file says, and each file is a query of its own. An empty "
                "key asks for an attribute. Nothing is added: without -P, -S or -O the query is "
                "one for worklist entries, and QueryRetrieveLevel has to be a key. A key that "
                "cannot be read ends findscu before it calls."
            ),
            (
                "Responses are numbered over all queries of a run, the final ones as well. "
                "They are shown unless they are written to files or something was said about the "
                "log; --show-responses and --hide-responses decide in any case. A query that the "
                "peer ends with a failure is an error."
            ),
            _TLS_REQUESTOR,
            _GRAMMAR,
        ),
        examples=(
            (
                "the studies of a patient",
                "findscu -S -k 8,52=STUDY -k 10,20=4711 -k 20,d pacs.example.org 104",
            ),
            (
                "what is scheduled for CT",
                "findscu -k '0040,0100[0].Modality=CT' -k PatientName ris.example.org 104",
            ),
            (
                "the responses as JSON, for another program",
                "findscu --json -S -k 8,52=STUDY -k '10,10=DOE*' pacs.example.org 104",
            ),
            (
                "a DICOM file for each response to a query file, 100 at most",
                "findscu -P -X -od found -Xlo 100 pacs.example.org 104 query.dcm",
            ),
            (
                "with TLS",
                "findscu +tls my.key my.pem +cf ca.pem pacs.example.org 2762 query.dcm",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
    ),
    "getscu": Manual(
        (
            (
                "getscu asks a DICOM archive for objects with C-GET and writes each of them to a "
                "file of its own. They come on the association that getscu has opened, so that it "
                "needs no port, and the archive need not know it. A file appears under its name "
                "when it is complete."
            ),
            (
                "What is asked for is said by keys (--key), by query files, or by both: then the "
                "keys take the place of what a file says, and each file is a request of its own. "
                "QueryRetrieveLevel is never made up, and an archive that knows the level only "
                "fetches all that it has. A key that cannot be read ends getscu before it calls."
            ),
            (
                "Proposed are 120 storage classes, each in the transfer syntaxes of one option; an "
                "archive that keeps compressed objects and does not decompress them can send them "
                "only where their syntax is the preferred one."
            ),
            (
                "Data sets are written as DCMTK's getscu writes them: sequences of undefined "
                "length, values as received. --bit-preserving keeps every byte. An object that "
                "cannot be stored is answered so, and the others still come."
            ),
            _TLS_REQUESTOR,
            _GRAMMAR,
        ),
        examples=(
            (
                "fetch a study and say what comes",
                "getscu -v -S -k 8,52=STUDY -k 20,d=1.2.3 -od in pacs.example.org 104",
            ),
            (
                "fetch JPEG 2000 images as they are kept, byte for byte",
                "getscu -S +xv +B -k 8,52=STUDY -k 20,d=1.2.3 -od in pacs.example.org 104",
            ),
            (
                "fetch what a query file names, and give up after a minute of silence",
                "getscu -aec ARCHIVE -td 60 -od received pacs.example.org 104 query.dcm",
            ),
            (
                "with TLS",
                "getscu +tls my.key my.pem +cf ca.pem pacs.example.org 2762 query.dcm",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
    ),
    "movescu": Manual(
        (
            (
                "movescu asks a DICOM archive with C-MOVE to send objects somewhere: to whoever "
                "has the AE title of --move, or, with --port, to movescu itself, which writes each "
                "of them to a file of its own. The archive must know host and port of that title. "
                "A file appears under its name when it is complete."
            ),
            (
                "What is asked for is said by keys (--key), by query files, or by both: then the "
                "keys take the place of what a file says, and each file is a request of its own. "
                "Of several keys for one attribute the leftmost counts. QueryRetrieveLevel is "
                "never made up. A key or a file that cannot be read ends movescu before it calls."
            ),
            (
                "Whoever calls --port is served, also several at a time. An association on which "
                "nothing comes for 60 seconds is ended. Without --dimse-timeout movescu waits ten "
                "minutes for each response, and longer while objects come; behind the last one it "
                "waits for objects that are on their way, until nothing has come for 10 seconds."
            ),
            (
                "With --enable-tls the archive is called with TLS, and --port speaks nothing else. "
                "Nobody is trusted but whom --add-cert-file, --add-cert-dir and --system-ca name."
            ),
            _GRAMMAR,
        ),
        examples=(
            (
                "have an archive send a study to a workstation",
                "movescu -v -S -aem WORKSTATION -k 8,52=STUDY -k 20,d=1.2.3 localhost 104",
            ),
            (
                "fetch a study into a folder",
                "movescu -S -aet ME +P 11112 -od in -k 8,52=STUDY -k 20,d=1.2.3 localhost 104",
            ),
            (
                "fetch what a query file names, in any transfer syntax, as it came",
                "movescu -aet ME +P 11112 -od in +xa +B pacs.example.org 104 query.dcm",
            ),
            (
                "with TLS in both directions",
                "movescu +tls my.key my.pem +cf ca.pem +P 2762 localhost 2762 query.dcm",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
    ),
    "storescu": Manual(
        (
            (
                "storescu opens an association with a DICOM peer and sends files to it with "
                "C-STORE. A file goes out byte for byte where the peer accepts its transfer "
                "syntax; otherwise it is converted between the uncompressed and the deflated ones."
            ),
            (
                "As DCMTK's, it proposes 64 common storage classes, uncompressed, unless told what "
                "to propose. --auto-contexts reads the files first and proposes what they need, "
                "compressed ones and rare SOP classes included."
            ),
            (
                "A user name, password or token can be read by all who see the network traffic, "
                "and what stands on the command line by all who see the list of processes: put a "
                "password into a file and give that as @FILE."
            ),
            _TLS_REQUESTOR,
            _GRAMMAR,
        ),
        examples=(
            ("send a file and say what happens", "storescu -v localhost 11112 image.dcm"),
            (
                "send a folder and those in it, whatever kinds of objects there are",
                "storescu +sd +r --auto-contexts -aec ARCHIVE pacs.example.org 104 images/",
            ),
            (
                "send the rest when one fails, with several requests on their way",
                "storescu -nh +sd -R --max-ops 8 pacs.example.org 104 images/",
            ),
            (
                "identify by a JSON Web Token, over TLS",
                "storescu +tla +cf ca.pem --jwt token.jwt pacs.example.org 2762 image.dcm",
            ),
            (
                "say in plain words why it fails",
                "storescu --explain -aec ARCHIVE pacs.example.org 104 image.dcm",
            ),
            (
                "send a copy with new identities, to test an archive",
                "storescu +II -aec TEST localhost 11112 image.dcm",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
    ),
    "storescp": Manual(
        (
            (
                "storescp listens on a port, answers any number of DICOM peers at a time and "
                "writes each object that they send with C-STORE to a file of its own. A file "
                "appears under its name when it is complete."
            ),
            (
                "Data sets are written in a normal form, as DCMTK writes them; --bit-preserving "
                "keeps every byte. What cannot be read as a data set is kept as it came."
            ),
            (
                "With --inetd standard output and error are closed to the log as soon as the "
                "connection is served, since they may be the connection: the log goes to the "
                "files or the system log that --log-config names and nowhere else, whatever -v "
                "and -d say. What keeps it from serving at all is said on standard error where "
                "that is not the connection."
            ),
            (
                "With --access-control the rules in /etc/hosts.allow and /etc/hosts.deny for the "
                "daemon storescp decide who may connect, in the language of hosts_access(5) with "
                "the options allow, deny and severity of hosts_options(5). The first rule that "
                "matches counts, first those that allow; whom no rule is about is let in. Changes "
                "count from the next connection on. The tool does not start with rules that it "
                "would not obey, and lets nobody in where a file becomes so. Rules by address "
                "are surer than those by name, which need the name server."
            ),
            (
                "With --access-list the rules in a file decide by AE titles and hosts; "
                "--allow-calling, --allow-called and --allow-from are one such rule. A line is "
                "allow or deny and conditions: calling=TITLE, called=TITLE, from=NET; the first "
                "line that fits decides. Whoever no line is about is let in where the file has no "
                "allow, else kept out."
            ),
            _GRAMMAR,
        ),
        examples=(
            ("receive into a folder and say what comes", "storescp -v -od received 11112"),
            (
                "take every transfer syntax and SOP class, and keep every byte",
                "storescp +xa -pm +B -od received 11112",
            ),
            (
                "a folder for each study; a command once nothing came for a minute",
                "storescp -od received -su study -tos 60 -xcs 'import-study \"#p\"' 11112",
            ),
            (
                "confirm what is safely on the disk, and refuse before it is full",
                "storescp -od received --durable --min-free 1024 11112",
            ),
            (
                "use two processors, and TLS with peers that the authority certified",
                "storescp -od received --workers 2 +tls my.key my.pem +cf ca.pem 2762",
            ),
            (
                "let in only one title from one net",
                "storescp -od received --allow-calling CT1 --allow-from 192.0.2.0/24 11112",
            ),
        ),
        environment=(*_DICTIONARY, *_SOCKETS, *_SHOWN),
        signals=(
            (
                "SIGTERM, SIGINT",
                "listen no more, finish what is being received, then end; a second one aborts it",
            ),
            (
                "SIGHUP",
                "read access lists, keys and certificates anew; without any it ends the tool",
            ),
        ),
    ),
}
"""By the name of the tool."""
