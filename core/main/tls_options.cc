// Certificates with the places in the configuration that name them.
#include "main/tls_options.h"

namespace veredus {

namespace {

std::string place_of(const Settings& settings, size_t index) {
  for (const std::string& name : {"tls.certificates[" + std::to_string(index) + "]", std::string("tls.certificates")})
    if (auto place = settings.origins.find(name); place != settings.origins.end()) return place->second;
  return {};
}

}  // namespace

TlsServerOptions tls_server_options(const Settings& settings) {
  TlsServerOptions out;
  for (size_t i = 0; i < settings.tls.certificates.size(); ++i) {
    const CertificateSettings& pair = settings.tls.certificates[i];
    out.certificates.push_back({pair.cert, pair.key, place_of(settings, i)});
  }
  out.table = settings.tls.certificate_table;
  out.cache = settings.tls.certificate_cache;
  out.priority = settings.tls.priority;
  out.client_ca = settings.tls.client_ca;
  out.ask_client = settings.tls.ask_client;
  out.tickets = settings.tls.tickets;
  return out;
}

}  // namespace veredus
