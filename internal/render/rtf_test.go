package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRTF sends a block through a real converter to RTF and back, as Outlook
// on the desktop stores bodies. KOYOMI_SOFFICE names LibreOffice's program
// (Debian: libreoffice-writer-nogui); it takes half a minute for a language.
func TestRTF(t *testing.T) {
	t.Parallel()
	soffice := os.Getenv("KOYOMI_SOFFICE")
	if soffice == "" {
		t.Skip("skipped: KOYOMI_SOFFICE names no program")
	}
	dir := t.TempDir()
	convert := func(args ...string) {
		t.Helper()
		args = append([]string{"-env:UserInstallation=file://" + filepath.Join(dir, "profile"), "--headless"}, args...)
		if out, err := exec.CommandContext(t.Context(), soffice, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, locale := range Locales() {
		in, err := Insert(htmlBody("<html><head><meta charset=utf-8></head><body><p>Agenda für 会議</p><p>Second line</p></body></html>"), details(), options(locale))
		if err != nil {
			t.Fatal(err)
		}
		source := filepath.Join(dir, locale+".html")
		if err := os.WriteFile(source, []byte(in.Content), 0o600); err != nil {
			t.Fatal(err)
		}
		convert("--infilter=HTML (StarWriter)", "--convert-to", "rtf:Rich Text Format", "--outdir", dir, source)
		convert("--convert-to", "html:HTML (StarWriter)", "--outdir", filepath.Join(dir, "back"), filepath.Join(dir, locale+".rtf"))
		data, err := os.ReadFile(filepath.Join(dir, "back", locale+".html"))
		if err != nil {
			t.Fatal(err)
		}
		b := htmlBody(string(data))
		if f := Find(b, room); f.State != Whole || f.Locale != locale {
			t.Errorf("%s: %+v in\n%s", locale, f, b.Content)
			continue
		}
		out, err := Remove(b, room)
		if err != nil {
			t.Errorf("%s: %v", locale, err)
		}
		if seen := string(newPage(out).seen); seen != "Agendafür会議Secondline" || strings.Contains(out.Content, "<table") {
			t.Errorf("%s: left %q of\n%s", locale, seen, out.Content)
		}
	}
}
