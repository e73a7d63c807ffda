//! The contract as its descriptors tell it.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

/// The package that is ours.
const PACKAGE: &str = "parlor.v1";

/// Field numbers of descriptor.proto, of which the paths of comments are made.
const MESSAGE: i32 = 4;
const ENUM: i32 = 5;
const SERVICE: i32 = 6;
const METHOD: i32 = 2;
const FIELD: i32 = 2;
const VALUE: i32 = 2;

/// Who may call a method, as its service's and its own comment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// "Open to …": without a credential.
    Everybody,
    /// With a credential; what it must grant is the method's own rule.
    Callers,
    /// "For gateways only": with the edge key, on the internal listener.
    Gateways,
}

/// One method.
#[derive(Clone, Debug)]
pub struct Method {
    pub service: String,
    pub name: String,
    pub access: Access,
}

impl Method {
    pub fn path(&self) -> String {
        format!("/{PACKAGE}.{}/{}", self.service, self.name)
    }
}

/// A text in the request of a unary method.
#[derive(Clone, Debug)]
pub struct Text {
    pub method: Method,
    /// "Method.field.field".
    pub name: String,
    /// The numbers of the fields that lead to it.
    pub path: Vec<i32>,
}

/// Messages within messages that are looked into.
const DEEPEST: usize = 4;

/// Every text of every unary request of callers.
pub fn texts() -> Vec<Text> {
    let set = FileDescriptorSet::decode(parlor_api::DESCRIPTORS).unwrap();
    let messages: HashMap<String, DescriptorProto> = set
        .file
        .iter()
        .flat_map(|file| {
            let package = file.package().to_owned();
            file.message_type
                .iter()
                .map(move |message| (format!(".{package}.{}", message.name()), message.clone()))
        })
        .collect();
    let mut found = Vec::new();
    for method in methods().into_iter().filter(|method| method.access != Access::Gateways) {
        let files = files();
        let described = files.iter().flat_map(|file| &file.service).flat_map(|service| {
            service
                .method
                .iter()
                .filter(|other| other.name() == method.name && service.name() == method.service)
        });
        let described = described.into_iter().next().unwrap();
        if described.server_streaming() || described.client_streaming() {
            continue;
        }
        let mut look = vec![(described.input_type().to_owned(), method.name.clone(), Vec::new())];
        while let Some((message, name, path)) = look.pop() {
            for field in &messages[&message].field {
                let path: Vec<i32> = path.iter().copied().chain([field.number()]).collect();
                let name = format!("{name}.{}", field.name());
                match field.r#type() {
                    Type::String => found.push(Text { method: method.clone(), name, path }),
                    Type::Message if path.len() < DEEPEST && messages.contains_key(field.type_name()) => {
                        look.push((field.type_name().to_owned(), name, path));
                    }
                    _ => {}
                }
            }
        }
    }
    found
}

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(parlor_api::DESCRIPTORS).unwrap();
    set.file.into_iter().filter(|file| file.package() == PACKAGE).collect()
}

/// Every method, by service.
pub fn methods() -> Vec<Method> {
    let mut methods = Vec::new();
    for file in files() {
        for (index, service) in (0..).zip(&file.service) {
            let of_service = comment(&file, &[SERVICE, index]);
            for (number, method) in (0..).zip(&service.method) {
                let of_method = comment(&file, &[SERVICE, index, METHOD, number]);
                methods.push(Method {
                    service: service.name().to_owned(),
                    name: method.name().to_owned(),
                    access: access(&of_service, &of_method),
                });
            }
        }
    }
    methods.sort_by_key(Method::path);
    methods
}

fn access(of_service: &str, of_method: &str) -> Access {
    if of_service.contains("For gateways only") {
        Access::Gateways
    } else if of_method.contains("Open to") {
        Access::Everybody
    } else {
        Access::Callers
    }
}

/// Everything without a comment: services, methods, messages, fields, enums and their values.
pub fn uncommented() -> Vec<String> {
    let mut found = Vec::new();
    for file in files() {
        let mut look = |name: String, path: &[i32]| {
            if comment(&file, path).trim().is_empty() {
                found.push(name);
            }
        };
        for (index, service) in (0..).zip(&file.service) {
            look(service.name().to_owned(), &[SERVICE, index]);
            for (number, method) in (0..).zip(&service.method) {
                look(format!("{}.{}", service.name(), method.name()), &[SERVICE, index, METHOD, number]);
            }
        }
        for (index, message) in (0..).zip(&file.message_type) {
            look(message.name().to_owned(), &[MESSAGE, index]);
            for (number, field) in (0..).zip(&message.field) {
                look(format!("{}.{}", message.name(), field.name()), &[MESSAGE, index, FIELD, number]);
            }
        }
        for (index, list) in (0..).zip(&file.enum_type) {
            look(list.name().to_owned(), &[ENUM, index]);
            for (number, value) in (0..).zip(&list.value) {
                look(value.name().to_owned(), &[ENUM, index, VALUE, number]);
            }
        }
    }
    found
}

fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.as_ref().map_or(&[][..], |info| &info.location);
    let location = locations.iter().find(|location| location.path == path);
    location.map(|location| location.leading_comments().to_owned()).unwrap_or_default()
}
