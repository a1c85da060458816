// Serves the schema registry of franz-go's tests and prints where.
package main

import (
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

func main() {
	options := []srfake.Option{}
	if len(os.Args) > 1 {
		options = append(options, srfake.WithAuth(os.Args[1]))
	}
	registry := srfake.New(options...)
	fmt.Println(registry.URL())
	select {}
}
