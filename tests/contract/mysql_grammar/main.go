// Reads SQL statements, a line each, and names those that TiDB's parser of MySQL 8's grammar does
// not take. Exit status 1: there was one, or no statement at all.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/pingcap/tidb/pkg/parser"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver"
)

const (
	lineMax  = 16 << 20
	shownMax = 300
)

func shown(text string) string {
	if len(text) > shownMax {
		return text[:shownMax]
	}
	return text
}

func main() {
	statements, refused := 0, 0
	grammar := parser.New()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineMax)
	for lines.Scan() {
		statements++
		if _, _, err := grammar.Parse(lines.Text(), "utf8mb4", ""); err != nil {
			refused++
			fmt.Printf("refused: %s\n    %s\n", shown(err.Error()), shown(lines.Text()))
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("%d statements, %d refused\n", statements, refused)
	if statements == 0 || refused > 0 {
		os.Exit(1)
	}
}
