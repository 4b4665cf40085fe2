package render

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRTF sends every template in every language through a real converter to
// RTF and back, as Outlook on the desktop stores bodies. KOYOMI_SOFFICE names
// LibreOffice's program (Debian: libreoffice-writer-nogui).
func TestRTF(t *testing.T) {
	t.Parallel()
	soffice := os.Getenv("KOYOMI_SOFFICE")
	if soffice == "" {
		t.Skip("skipped: KOYOMI_SOFFICE names no program")
	}
	const own = "<p>Agenda für 会議</p><ul><li><a href=\"https://docs.example/x\">Notes</a></li></ul><p>Second line</p>"
	dir := t.TempDir()
	locales := map[string]string{} // by the file's name without its end
	for _, locale := range Locales() {
		for shape, o := range templates(locale) {
			in, err := Insert(htmlBody("<html><head><meta charset=utf-8></head><body>"+own+"</body></html>"), details(), o)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s-%s", locale, strings.ReplaceAll(shape, " ", "-"))
			locales[name] = locale
			if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(in.Content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	convert := func(end, out string, args ...string) {
		t.Helper()
		args = append([]string{"-env:UserInstallation=file://" + filepath.Join(dir, "profile"), "--headless"}, args...)
		args = append(args, "--outdir", out)
		for name := range locales {
			args = append(args, filepath.Join(dir, name+end))
		}
		if text, err := exec.CommandContext(t.Context(), soffice, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	convert(".html", dir, "--infilter=HTML (StarWriter)", "--convert-to", "rtf:Rich Text Format")
	convert(".rtf", filepath.Join(dir, "back"), "--convert-to", "html:HTML (StarWriter)")
	for name, locale := range locales {
		data, err := os.ReadFile(filepath.Join(dir, "back", name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		b := htmlBody(string(data))
		if f := Find(b, room); f.State != Whole || f.Locale != locale {
			t.Errorf("%s: %+v in\n%s", name, f, b.Content)
			continue
		}
		out, err := Remove(b, room)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if seen := string(newPage(out).seen); seen != "Agendafür会議NotesSecondline" || strings.Contains(out.Content, "<table") || !strings.Contains(out.Content, `href="https://docs.example/x"`) {
			t.Errorf("%s: left %q of\n%s", name, seen, out.Content)
		}
		j := details()
		j.URL += "&again"
		if anew, err := Replace(b, room, j, options(locale)); err != nil || Find(anew, j.URL).State != Whole {
			t.Errorf("%s: replaced: %v", name, err)
		}
	}
	t.Logf("%d blocks found, removed and replaced after HTML, RTF, HTML", len(locales))
}
