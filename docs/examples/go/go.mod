module harvester.example/knoq

go 1.19
