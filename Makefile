# The targets of the book, as thin names for the npm scripts that do the work.

.PHONY: init compile test start bench

# Install what package-lock.json names, and compile src/ into dist/.
init:
	node scripts/setup.mjs --build

# Generate src/api/gen from proto/.
compile: init
	npm run generate

test:
	npm test

start:
	npm start

bench:
	npm run bench
