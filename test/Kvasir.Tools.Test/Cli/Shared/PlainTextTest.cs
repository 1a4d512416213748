using System.Text;
using Kvasir.Cli.Shared;
using Kvasir.Files;
using Kvasir.Tools.Test.Cli;

namespace Kvasir.Tools.Test.Cli.Shared;

public sealed class PlainTextTest : IDisposable
{
    private const string Sample = "grün\r\n漢字 😀\n\nend";

    private static readonly Encoding[] Readable = [new UTF8Encoding(false), new UTF8Encoding(true), new UnicodeEncoding(false, true), new UnicodeEncoding(true, true)];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryEncodingGivesTheSameText()
    {
        foreach (var encoding in Readable)
        {
            byte[] bytes = [.. encoding.GetPreamble(), .. encoding.GetBytes(Sample)];
            Assert.Equal(Sample, PlainText.Decode(bytes, "x"));
            Assert.Equal(Sample, new TextStream(new MemoryStream(bytes), "x").ReadToEnd());
            Assert.Equal(["grün", "漢字 😀", "", "end"], Lines(bytes));
            Assert.Equal("漢字 😀\n\nend", Rest(bytes));
        }

        Assert.Equal("", PlainText.Decode([], "x"));
        Assert.Empty(Lines([]));
        Assert.Equal(["a"], Lines("a\n"u8.ToArray()));
        // A byte order mark is one at the beginning only.
        Assert.Equal("a\uFEFF", PlainText.Decode("a\uFEFF"u8, "x"));
    }

    [Theory]
    [InlineData(new byte[] { 0x61, 0x0A, 0x62, 0xFF }, "x:2: is not UTF-8 at byte 3; ")]
    [InlineData(new byte[] { 0xEF, 0xBB, 0xBF, 0x61, 0xC3 }, "x:1: is not UTF-8 at byte 4; ")]
    [InlineData(new byte[] { 0x61, 0x0A, 0x0A, 0x00 }, "x:3: has a zero character at byte 3; ")]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x61, 0x00, 0x0A, 0x00, 0x00, 0xD8, 0x61, 0x00 }, "x:2: is not UTF-16 at byte 6; ")]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x61, 0x00, 0x62 }, "x:1: is not UTF-16 at byte 4; ")]
    [InlineData(new byte[] { 0xFE, 0xFF, 0x00, 0x0A, 0x00, 0x00 }, "x:2: has a zero character at byte 4; ")]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x00, 0x00, 0x61, 0x00, 0x00, 0x00 }, "x:1: has a zero character at byte 2; ")]
    [InlineData(new byte[] { 0x61, 0x00, 0x62, 0x00 }, "x:1: has a zero character at byte 1; ")]
    public void WhatIsNoTextIsRefusedWithItsPlace(byte[] bytes, string message)
    {
        Assert.StartsWith(message, Assert.Throws<KvasirException>(() => PlainText.Decode(bytes, "x")).Message, StringComparison.Ordinal);
        Assert.StartsWith(message, Assert.Throws<KvasirException>(() => new TextStream(new MemoryStream(bytes), "x").ReadToEnd()).Message, StringComparison.Ordinal);
        Assert.StartsWith(message, Assert.Throws<KvasirException>(() => Lines(bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoMoreOfAFileIsReadThanTheLimit()
    {
        var file = _folder.Write("text.txt", "abcdef");
        Assert.Equal("abcdef", PlainText.ReadFile(file, 6));
        Assert.Equal($"{file}: more than 5 bytes in one piece", Assert.Throws<KvasirException>(() => PlainText.ReadFile(file, 5)).Message);
        // A device has no length, and this one no end.
        foreach (var limit in OperatingSystem.IsWindows() ? [] : new[] { 1, 4096, 4097, 100_000 })
            Assert.Equal($"/dev/zero: more than {limit} bytes in one piece", Assert.Throws<KvasirException>(() => PlainText.ReadFile("/dev/zero", limit)).Message);
        var large = new string('x', 100_000);
        Assert.Equal(large, PlainText.ReadFile(_folder.Write("large.txt", large), 100_000));
    }

    [Fact]
    public void AFolderIsNamedAsOne()
    {
        CliRun.Of("run", "stories260K", "-f", _folder.Path).AssertFails(1, $"kvasir: {_folder.Path} is a folder");
        CliRun.Of("run", "stories260K", "hi", "--attention", $"@{_folder.Path}").AssertFails(2, $"kvasir: --attention: {_folder.Path} is a folder; see kvasir run --help");
        CliRun.Of("eval", "agree", "stories260K", "--prompts", _folder.Path).AssertFails(1, $"kvasir: {_folder.Path} is a folder");
    }

    [Fact]
    public void ABadLineIsPassedOver()
    {
        var reader = new TextStream(new MemoryStream([.. "a\n"u8, 0xFF, (byte)'\n', .. "c\n"u8]), "x");
        Assert.Equal("a", reader.ReadLine());
        Assert.Contains("x:2: ", Assert.Throws<KvasirException>(reader.ReadLine).Message, StringComparison.Ordinal);
        Assert.Equal(("c", null), (reader.ReadLine(), reader.ReadLine()));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void EveryVerbThatReadsTextHasTheOneRule()
    {
        var model = TestModels.StoriesGguf;
        var json = """{"prompt":"Once upon a time","answers":["x"]}""" + "\n";
        var policy = "streaming:recent=8,min-context=0\n";
        (string Text, Func<string, string[]> Args)[] verbs =
        [
            ("Once upon a time there was", path => ["run", model, "--file", path, "--max-tokens", "2", "--temperature", "0"]),
            ("Once upon a time there was", path => ["eval", "agree", model, "--prompt-file", path, "--attention", "streaming:recent=8,min-context=0", "--tokens", "4"]),
            (json, path => ["eval", "agree", model, "--prompts", path, "--attention", "streaming:recent=8,min-context=0", "--tokens", "4"]),
            (json, path => ["eval", "jsonl", model, "--file", path, "--samples", "1", "--context", "256", "--attention", "dense"]),
            (policy, path => ["run", model, "Once", "--attention", "@" + path, "--max-tokens", "2", "--temperature", "0"]),
            (string.Concat(Enumerable.Repeat("Once upon a time there was a dog. ", 40)), path => ["eval", "ppl", model, "--file", path, "--attention", "dense", "--context", "64", "--scored", "8"]),
        ];
        foreach (var (text, args) in verbs)
        {
            var good = CliRun.Of([.. args(Write(Readable[0], text)), "-q"]);
            foreach (var encoding in Readable)
            {
                var run = CliRun.Of([.. args(Write(encoding, text)), "-q"]);
                Assert.True((run.ExitCode, run.Error) == (good.ExitCode, good.Error), $"{encoding.WebName}: {run.Error} instead of {good.Error}");
            }

            foreach (var bad in new byte[] { 0xFF, 0 })
            {
                var path = _folder.Write("text", [.. Encoding.UTF8.GetBytes(text.TrimEnd('\n')), bad, (byte)'\n']);
                var run = CliRun.Of([.. args(path), "-q"]);
                var message = $"{path}:1: {(bad == 0 ? "has a zero character" : "is not UTF-8")} at byte {Encoding.UTF8.GetByteCount(text.TrimEnd('\n'))}; ";
                Assert.True(run.Error.Contains(message, StringComparison.Ordinal) && run.Error.Count(static c => c == '\n') == 1, $"{run.Error} instead of {message}");
                // A policy's file is a part of the command line.
                Assert.Equal((text == policy ? 2 : 1, ""), (run.ExitCode, run.Output));
            }
        }
    }

    private string Write(Encoding encoding, string text) => _folder.Write("text", [.. encoding.GetPreamble(), .. encoding.GetBytes(text)]);

    private static List<string> Lines(byte[] bytes)
    {
        var reader = new TextStream(new MemoryStream(bytes), "x");
        var lines = new List<string>();
        while (reader.ReadLine() is { } line)
            lines.Add(line);
        return lines;
    }

    private static string Rest(byte[] bytes)
    {
        var reader = new TextStream(new MemoryStream(bytes), "x");
        reader.ReadLine();
        return reader.ReadToEnd();
    }
}
