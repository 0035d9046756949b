// Command verify reads a ledger that relto wrote, with Go's own note and tlog packages and nothing of relto.
//
//	verify log DIR VKEY...            checkpoint, every bundle, every tile; all keys must have signed
//	verify proof FILE LEAF VKEY...    a tlog-proof of the entry in the file LEAF
//	verify grown FILE OLD NEW VKEY... a consistency proof (base64 lines) between two checkpoints
//	verify sign DIR SKEY              a checkpoint and tiles of our own, for relto to read
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "log":
		return verifyLog(args[1], args[2:])
	case "proof":
		return verifyProof(args[1], args[2], args[3:])
	case "grown":
		return verifyGrown(args[1], args[2], args[3], args[4:])
	case "sign":
		return sign(args[1], args[2])
	}
	return errors.New("no such command")
}

type head struct {
	origin string
	size   int64
	root   tlog.Hash
}

// open verifies that every one of the keys has signed.
func open(data []byte, vkeys []string) (*head, error) {
	var verifiers []note.Verifier
	for _, vkey := range vkeys {
		v, err := verifier(vkey)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, v)
	}
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		return nil, err
	}
	if len(opened.Sigs) != len(vkeys) {
		return nil, fmt.Errorf("%d of %d keys have signed", len(opened.Sigs), len(vkeys))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 {
		return nil, errors.New("a checkpoint has three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return nil, err
	}
	root, err := tlog.ParseHash(lines[2])
	return &head{lines[0], size, root}, err
}

// verifier reads a key of type 1 as Go does, and cosigners' keys by tlog-cosignature.
func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("malformed vkey")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) < 33 {
		return nil, errors.New("malformed vkey")
	}
	if raw[0] == 1 {
		return note.NewVerifier(vkey)
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	return &cosigner{parts[0], binary.BigEndian.Uint32(id[:4]), raw[0], raw[1:]}, nil
}

type cosigner struct {
	name string
	hash uint32
	kind byte
	key  []byte
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) < 8 {
		return false
	}
	at, sig := sig[:8], sig[8:]
	switch c.kind {
	case 4:
		head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(at))
		return ed25519.Verify(c.key, append([]byte(head), msg...), sig)
	case 6:
		lines := strings.Split(string(msg), "\n")
		size, err := strconv.ParseUint(lines[1], 10, 64)
		root, rootErr := base64.StdEncoding.DecodeString(lines[2])
		if err != nil || rootErr != nil {
			return false
		}
		var m bytes.Buffer
		m.WriteString("subtree/v1\n\x00")
		m.WriteByte(byte(len(c.name)))
		m.WriteString(c.name)
		m.Write(at)
		m.WriteByte(byte(len(lines[0])))
		m.WriteString(lines[0])
		binary.Write(&m, binary.BigEndian, uint64(0))
		binary.Write(&m, binary.BigEndian, size)
		m.Write(root)
		key, err := mldsa.NewPublicKey(mldsa.MLDSA44(), c.key)
		return err == nil && mldsa.Verify(key, m.Bytes(), sig, nil) == nil
	}
	return false
}

// path is C2SP's name of a tile: Go's own has the height in front and calls the entries `data`.
func path(level string, n int64, w int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if w < 256 {
		name = fmt.Sprintf("%s.p/%d", name, w)
	}
	return "tile/" + level + "/" + name
}

func entries(dir string, size int64) ([][]byte, error) {
	var found [][]byte
	for at := int64(0); at < size; at += 256 {
		w := min(256, size-at)
		data, err := os.ReadFile(filepath.Join(dir, path("entries", at/256, int(w))))
		if err != nil {
			return nil, err
		}
		for i := int64(0); i < w; i++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, errors.New("a bundle ends early")
			}
			n := 2 + int(binary.BigEndian.Uint16(data))
			found, data = append(found, data[2:n]), data[n:]
		}
		if len(data) != 0 {
			return nil, errors.New("a bundle has bytes too many")
		}
	}
	return found, nil
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h[x]
	}
	return out, nil
}

func store(records [][]byte) (hashes, error) {
	var stored hashes
	for i, record := range records {
		added, err := tlog.StoredHashes(int64(i), record, stored)
		if err != nil {
			return nil, err
		}
		stored = append(stored, added...)
	}
	return stored, nil
}

func verifyLog(dir string, vkeys []string) error {
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	head, err := open(data, vkeys)
	if err != nil {
		return err
	}
	records, err := entries(dir, head.size)
	if err != nil {
		return err
	}
	stored, err := store(records)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(head.size, stored)
	if err != nil {
		return err
	}
	if root != head.root {
		return errors.New("the entries do not give the root")
	}
	tiles := 0
	for level, count := 0, head.size; count > 0; level, count = level+1, count/256 {
		for at := int64(0); at < count; at += 256 {
			w := int(min(256, count-at))
			want, err := tlog.ReadTileData(tlog.Tile{H: 8, L: level, N: at / 256, W: w}, stored)
			if err != nil {
				return err
			}
			have, err := os.ReadFile(filepath.Join(dir, path(strconv.Itoa(level), at/256, w)))
			if err != nil {
				return err
			}
			if !bytes.Equal(want, have) {
				return fmt.Errorf("tile %d of level %d is another one", at/256, level)
			}
			tiles++
		}
	}
	fmt.Printf("ok %s %d entries %d tiles %d signatures\n", head.origin, head.size, tiles, len(vkeys))
	return nil
}

func verifyProof(file, leaf string, vkeys []string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(leaf)
	if err != nil {
		return err
	}
	text, checkpoint, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(text, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no tlog-proof")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	proof, err := parseHashes(lines[1:])
	if err != nil {
		return err
	}
	head, err := open([]byte(checkpoint), vkeys)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, head.size, head.root, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("ok entry %d of %s\n", index, head.origin)
	return nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, line := range lines {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		found = append(found, h)
	}
	return found, nil
}

func verifyGrown(file, old, new string, vkeys []string) error {
	var heads []*head
	for _, name := range []string{old, new} {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		head, err := open(data, vkeys)
		if err != nil {
			return err
		}
		heads = append(heads, head)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	proof, err := parseHashes(strings.Fields(string(data)))
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, heads[1].size, heads[1].root, heads[0].size, heads[0].root); err != nil {
		return err
	}
	fmt.Printf("ok %d to %d\n", heads[0].size, heads[1].size)
	return nil
}

// sign writes a log of 600 entries by Go alone.
func sign(dir, skey string) error {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	var records [][]byte
	for i := range 600 {
		records = append(records, []byte(strconv.Itoa(i)))
	}
	stored, err := store(records)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(600, stored)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n600\n%s\n", signer.Name(), root)
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return err
	}
	if err := write(dir, "checkpoint", signed); err != nil {
		return err
	}
	for level, count := 0, int64(600); count > 0; level, count = level+1, count/256 {
		for at := int64(0); at < count; at += 256 {
			w := int(min(256, count-at))
			data, err := tlog.ReadTileData(tlog.Tile{H: 8, L: level, N: at / 256, W: w}, stored)
			if err != nil {
				return err
			}
			if err := write(dir, path(strconv.Itoa(level), at/256, w), data); err != nil {
				return err
			}
			if level == 0 {
				var bundle bytes.Buffer
				for _, record := range records[at : at+int64(w)] {
					binary.Write(&bundle, binary.BigEndian, uint16(len(record)))
					bundle.Write(record)
				}
				if err := write(dir, path("entries", at/256, w), bundle.Bytes()); err != nil {
					return err
				}
			}
		}
	}
	fmt.Println("ok")
	return nil
}

func write(dir, name string, data []byte) error {
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o666)
}
