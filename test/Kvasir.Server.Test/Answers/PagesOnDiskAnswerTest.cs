using System.Globalization;
using System.Text.RegularExpressions;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>A server whose requests are longer than its KV memory: they lie on disk, and metrics say what was read there.</summary>
public sealed class PagesOnDiskAnswerTest
{
    private static readonly string Prompt = string.Join(',', Enumerable.Range(0, 400).Select(static i => 3 + (i % 400)));

    [Fact]
    public async Task TheAnswerIsThatOfMemory()
    {
        var folder = Directory.CreateTempSubdirectory("kvasir-test-");
        try
        {
            var request = $"{{\"prompt\":[{Prompt}],\"max_tokens\":12,\"temperature\":0,\"seed\":1,\"ignore_eos\":true}}";
            await using var memory = await RunningServer.StartAsync();
            await using var disk = await RunningServer.StartAsync(options =>
                (options.KvMemoryBytes, options.KvDirectory, options.KvDiskBytes) = (200 << 10, folder.FullName, 16 << 20));
            Assert.Equal(await memory.BodyAsync("/v1/completions", request), await disk.BodyAsync("/v1/completions", request));
            Assert.Equal(0, await Figure(memory, "kvasir_kv_page_uses_total", "outcome=\"miss\""));
            Assert.InRange(await Figure(disk, "kvasir_kv_page_uses_total", "outcome=\"miss\""), 100, long.MaxValue);
            Assert.InRange(await Figure(disk, "kvasir_kv_layer_page_misses_total", "layer=\"4\""), 10, long.MaxValue);
            Assert.InRange(await Figure(disk, "kvasir_kv_layer_page_hits_total", "layer=\"0\""), 1, long.MaxValue);
            Assert.InRange(await Figure(disk, "kvasir_kv_file_bytes_total", "direction=\"read\""), 400_000, long.MaxValue);
            Assert.Empty(folder.EnumerateFileSystemInfos());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<long> Figure(RunningServer server, string name, string label)
    {
        var line = Regex.Match(await server.Client.GetStringAsync("/metrics"), $"\n{name}{{[^}}]*{label}[^}}]*}} ([0-9]+)");
        return line.Success ? long.Parse(line.Groups[1].Value, CultureInfo.InvariantCulture) : throw new InvalidOperationException($"no {name} with {label}");
    }
}
