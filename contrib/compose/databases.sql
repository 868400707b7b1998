-- Run once by PostgreSQL's image on an empty volume: a role and a database for each of the four, with one password.
\getenv password POSTGRES_PASSWORD
CREATE ROLE synapse LOGIN PASSWORD :'password';
CREATE ROLE keycloak LOGIN PASSWORD :'password';
CREATE ROLE moodle LOGIN PASSWORD :'password';
CREATE ROLE moodle_appservice LOGIN PASSWORD :'password';
CREATE DATABASE synapse OWNER synapse;
CREATE DATABASE keycloak OWNER keycloak;
CREATE DATABASE moodle OWNER moodle;
CREATE DATABASE moodle_appservice OWNER moodle_appservice;
