# The targets of the book, as thin names for the npm scripts that do the work.

.PHONY: init gencert compile test start bench

# Where the book keeps certificates and the access list.
CONFIG_PATH ?= $(HOME)/.proglog

# Install what package-lock.json names, and compile src/ into dist/.
init:
	node scripts/setup.mjs --build

# Certificates by cfssl, as in the book: an authority, a server, the clients root and nobody; and the
# access list. `proglog certs` does the same without cfssl, and makes certificates for peers.
gencert:
	mkdir -p $(CONFIG_PATH)
	cd $(CONFIG_PATH) && cfssl gencert -initca $(CURDIR)/deploy/certs/ca-csr.json | cfssljson -bare ca
	cd $(CONFIG_PATH) && $(CFSSL_SIGN) -profile=server $(CURDIR)/deploy/certs/server-csr.json | cfssljson -bare server
	cd $(CONFIG_PATH) && $(CFSSL_SIGN) -profile=client -cn=root $(CURDIR)/deploy/certs/client-csr.json | cfssljson -bare root-client
	cd $(CONFIG_PATH) && $(CFSSL_SIGN) -profile=client -cn=nobody $(CURDIR)/deploy/certs/client-csr.json | cfssljson -bare nobody-client
	chmod 600 $(CONFIG_PATH)/*-key.pem
	cp deploy/certs/model.conf deploy/certs/policy.csv $(CONFIG_PATH)/

CFSSL_SIGN = cfssl gencert -ca=ca.pem -ca-key=ca-key.pem -config=$(CURDIR)/deploy/certs/ca-config.json

# Generate src/api/gen from proto/.
compile: init
	npm run generate

test:
	npm test

start:
	npm start

bench:
	npm run bench
