namespace Kvasir.Tools.Test.Cli.Models;

/// <summary><c>kvasir list</c>, on this machine.</summary>
public sealed class ListCommandTest : IDisposable
{
    private readonly TempFolder _models = new();

    public void Dispose() => _models.Dispose();

    [Fact]
    public void BundledModelsAndThoseOfAFolderAreListed()
    {
        _models.Write("small.gguf", "12345");
        _models.Write("big-00001-of-00002.gguf", "123");
        _models.Write("big-00002-of-00002.gguf", "1234");
        _models.Write("notes.txt", "");
        var run = CliRun.Of("list", "--models", _models.Path, "--json");
        var models = run.Json[0]["models"]!.AsArray();
        Assert.Equal(["needle", "stories260K", "big", "small"], models.Select(static model => $"{model!["name"]}"));
        Assert.Equal([7, 5], models.Skip(2).Select(static model => model!["bytes"]!.GetValue<int>()));
        Assert.Equal(_models.File("big-00001-of-00002.gguf"), $"{models[2]!["path"]}");
        var text = CliRun.Of("list").Output;
        Assert.StartsWith("2 models\n", text, StringComparison.Ordinal);
        Assert.Contains("bundled", text, StringComparison.Ordinal);
    }

    [Fact]
    public void ALinkThatLeadsOutOfTheFolderIsLeftOut()
    {
        using var elsewhere = new TempFolder();
        elsewhere.Write("secret.gguf", "1");
        _models.Write("inside.gguf", "1");
        File.CreateSymbolicLink(_models.File("out.gguf"), elsewhere.File("secret.gguf"));
        File.CreateSymbolicLink(_models.File("in.gguf"), _models.File("inside.gguf"));
        var names = CliRun.Of("list", "--models", _models.Path, "--json").Json[0]["models"]!.AsArray().Select(static model => $"{model!["name"]}");
        Assert.Equal(["in", "inside"], names.Skip(2));
    }

    [Fact]
    public void AFileAndAFolderOfOneNameAreBothListed()
    {
        _models.Write("small.gguf", "12345");
        Directory.CreateDirectory(_models.File("small"));
        File.WriteAllText(Path.Combine(_models.File("small"), "config.json"), "{}");
        var paths = CliRun.Of("list", "--models", _models.Path, "--json").Json[0]["models"]!.AsArray().Select(static model => $"{model!["path"]}");
        Assert.Equal([_models.File("small"), _models.File("small.gguf")], paths.Skip(2));
    }

    [Theory]
    [InlineData("--models", "/no/such/folder", "there is no folder /no/such/folder")]
    [InlineData("--server", "ftp://x", "--server: 'ftp://x' is not the address of a server, as http://localhost:8080")]
    [InlineData("--server", "http://localhost:1", "http://localhost:1 cannot be reached")]
    public void WhatIsNotThereIsOneLine(string flag, string value, string words)
    {
        var run = CliRun.Of("list", flag, value);
        Assert.Equal(words.StartsWith("--", StringComparison.Ordinal) ? 2 : 1, run.ExitCode);
        Assert.Contains(words, run.Error, StringComparison.Ordinal);
        Assert.Equal(1, run.Error.Count(static c => c == '\n'));
    }
}
