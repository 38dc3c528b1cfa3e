package config

// Data is what one process keeps on disk.
type Data struct {
	// Folder of the embedded databases: session.db and control.db. Created when it is missing, with access
	// for this user alone. One process at a time may use it. Default ./data.
	Folder string `yaml:"folder"`
}

func (d *Data) defaults() { d.Folder = "data" }

func (d *Data) validate(k *check) {
	k.needs("data.folder", d.Folder, "name a folder on a local disk")
}
