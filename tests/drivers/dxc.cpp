// dxc LIBRARY FOLDER: compiles every kernel that FOLDER/kernels.tsv lists.

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "dxcapi.h"

static std::wstring wide(const std::string &ascii) { return std::wstring(ascii.begin(), ascii.end()); }

int main(int count, char **arguments) {
    if (count != 3) return std::cerr << "usage: dxc LIBRARY FOLDER\n", 2;
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) return std::cerr << dlerror() << "\n", 1;
    auto create = reinterpret_cast<DxcCreateInstanceProc>(dlsym(library, "DxcCreateInstance"));
    IDxcUtils *utils = nullptr;
    IDxcCompiler3 *compiler = nullptr;
    if (!create || create(CLSID_DxcUtils, __uuidof(IDxcUtils), reinterpret_cast<void **>(&utils)) != S_OK ||
        create(CLSID_DxcCompiler, __uuidof(IDxcCompiler3), reinterpret_cast<void **>(&compiler)) != S_OK)
        return std::cerr << "the library has no DXC\n", 1;

    const std::string folder = arguments[2];
    std::ifstream list(folder + "/kernels.tsv");
    std::string line;
    int compiled = 0, failed = 0;
    while (std::getline(list, line)) {
        std::istringstream columns(line);
        std::string file, wgsl_entry, entry, label;
        std::getline(columns, file, '\t');
        std::getline(columns, wgsl_entry, '\t');
        std::getline(columns, entry, '\t');
        std::getline(columns, label);
        std::ostringstream source;
        source << std::ifstream(folder + "/" + file + ".hlsl").rdbuf();
        const std::string text = source.str();
        for (const wchar_t *profile : {L"cs_6_0", L"cs_6_6"}) {
            const std::wstring entry_point = wide(entry);
            // As wgpu calls it; HLSL 2018 is the version that naga writes.
            const wchar_t *options[] = {L"-E", entry_point.c_str(), L"-T", profile, L"-HV", L"2018", L"-no-warnings"};
            const DxcBuffer buffer = {text.data(), text.size(), DXC_CP_UTF8};
            IDxcResult *result = nullptr;
            HRESULT status = E_FAIL;
            compiler->Compile(&buffer, options, sizeof options / sizeof *options, nullptr, __uuidof(IDxcResult),
                              reinterpret_cast<void **>(&result));
            if (result) result->GetStatus(&status);
            if (status == S_OK) {
                compiled++;
                continue;
            }
            failed++;
            IDxcBlobUtf8 *errors = nullptr;
            if (result)
                result->GetOutput(DXC_OUT_ERRORS, __uuidof(IDxcBlobUtf8), reinterpret_cast<void **>(&errors), nullptr);
            std::cerr << label << " (" << file << ".hlsl): " << (errors ? errors->GetStringPointer() : "no result") << "\n";
        }
    }
    if (failed || !compiled) return std::cerr << failed << " compilations failed\n", 1;
    std::cout << "DXC compiles all kernels: " << compiled << " compilations\n";
}
