//! `parlor backup` and `parlor restore` as processes of their own: beside a server at work, and where they are refused.

mod refused;
mod running;

use std::{path::PathBuf, process::Output};

use parlor_tests::{Configuration, Entrance, Program};
use toml::Table;

/// A program with a configuration file and a SQLite database in its folder.
struct Installation {
    program: Program,
    file: String,
    tenant: String,
}

impl Installation {
    /// In a new folder; nothing is made yet.
    fn of(configuration: &Configuration) -> Self {
        let program = Program::new();
        let file = program.folder().join("parlor.toml");
        let (data_dir, url) = (program.data_dir(), format!("sqlite://{}", database(&program).display()));
        let own = [("data_dir", data_dir.to_str().unwrap()), ("database.url", &url)];
        let table = configuration.server(&own);
        std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
        let file = file.to_str().unwrap().to_owned();
        Self { program, file, tenant: configuration.tenant.clone() }
    }

    fn serve(&mut self) -> Entrance {
        Entrance::new(self.program.serve_with(&["--config", &self.file]), &self.tenant)
    }

    /// Runs a command to its end, on its configuration.
    fn run(&self, arguments: &[&str]) -> Output {
        let all = [arguments, &["--config", &self.file]].concat();
        tokio::task::block_in_place(|| self.program.run(&all))
    }

    /// Runs a command that must succeed, and answers what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must end with this code, and answers what it said about it.
    fn not_done(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "it says that something was done");
        said(&output)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.program.folder().join(name)
    }

    /// What is in its folder, beside what is there from the beginning.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.program.folder()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> =
            names.filter(|name| !["parlor.toml", "parlor-data"].contains(&name.as_str())).collect();
        names.sort();
        names
    }
}

fn database(program: &Program) -> PathBuf {
    program.folder().join("parlor.db")
}

fn configuration(settings: &Table) -> Configuration {
    Configuration::new("", &Table::new(), settings)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
