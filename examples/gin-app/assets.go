package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"time"

	"github.com/gin-gonic/gin"
)

//go:embed assets
var embedded embed.FS

// defaultAssetsDir is where the page and the static files are read from when ASSETS_DIR is not
// set; "" is what was embedded when the program was built. A directory is for work on the page:
// an image from scratch holds the program alone.
const defaultAssetsDir = ""

// The types are set here and not taken from the machine: an image from scratch has no mime.types.
var contentTypes = map[string]string{
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
}

type assets struct {
	files    fs.FS
	greeting string
}

func newAssets(cfg config) *assets {
	if cfg.AssetsDir != "" {
		return &assets{files: os.DirFS(cfg.AssetsDir), greeting: cfg.Greeting}
	}
	files, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err) // the name is a constant
	}
	return &assets{files: files, greeting: cfg.Greeting}
}

// page renders the one page. It is read at each request, so that work on it shows at once.
func (a *assets) page(c *gin.Context) {
	page, err := template.ParseFS(a.files, "index.html")
	if err == nil {
		var out bytes.Buffer
		err = page.Execute(&out, gin.H{"Greeting": a.greeting, "Version": version})
		if err == nil {
			c.Data(http.StatusOK, "text/html; charset=utf-8", out.Bytes())
			return
		}
	}
	_ = c.Error(err)
	c.JSON(http.StatusInternalServerError, gin.H{"error": "the page cannot be made"})
}

// static serves what lies below static/ and nothing beside it.
func (a *assets) static(c *gin.Context) {
	a.serve(c, "static"+path.Clean("/"+c.Param("path")))
}

func (a *assets) robots(c *gin.Context) {
	a.serve(c, "robots.txt")
}

// serve answers with one file; directories are not listed. The tag is of the content, so a browser
// keeps what a new version did not change.
func (a *assets) serve(c *gin.Context, name string) {
	content, err := fs.ReadFile(a.files, name)
	if err != nil {
		c.JSON(http.StatusNotFound, gin.H{"error": "no such file"})
		return
	}
	digest := sha256.Sum256(content)
	c.Header("ETag", `"`+hex.EncodeToString(digest[:16])+`"`)
	c.Header("Cache-Control", "no-cache")
	c.Header("Content-Type", contentType(name))
	http.ServeContent(c.Writer, c.Request, name, time.Time{}, bytes.NewReader(content))
}

func contentType(name string) string {
	extension := path.Ext(name)
	if known := contentTypes[extension]; known != "" {
		return known
	}
	if known := mime.TypeByExtension(extension); known != "" {
		return known
	}
	return "application/octet-stream"
}
