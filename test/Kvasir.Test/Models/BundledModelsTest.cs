using Kvasir.Models;

namespace Kvasir.Test.Models;

public sealed class BundledModelsTest : IDisposable
{
    private readonly TempFolder _models = new();

    public void Dispose() => _models.Dispose();

    [Fact]
    public void FilesAndFoldersAreKnownByName()
    {
        _models.Write("small.gguf", "");
        _models.Write("notes.txt", "");
        Folder("needle", "config.json");
        Folder("other", "notes.txt");
        Assert.Equal(["needle", "small"], BundledModels.NamesIn(_models.Path));
        Assert.True(BundledModels.TryFindIn(_models.Path, "Needle", out var folder));
        Assert.Equal(_models.File("needle"), folder);
        Assert.True(BundledModels.TryFindIn(_models.Path, "small", out var file));
        Assert.Equal(_models.File("small.gguf"), file);
        foreach (var name in new[] { "other", "notes", "", ".", "../needle", "needle/config.json" })
            Assert.False(BundledModels.TryFindIn(_models.Path, name, out _), name);
    }

    [Fact]
    public void BothModelsOfTheRepositoryComeAlong() => Assert.Equal(["needle", "stories260K"], BundledModels.Names);

    [Fact]
    public void WithoutAFolderThereIsNone()
    {
        Assert.Empty(BundledModels.NamesIn(_models.File("none")));
        Assert.False(BundledModels.TryFindIn(_models.File("none"), "small", out _));
    }

    private void Folder(string name, string file)
    {
        Directory.CreateDirectory(_models.File(name));
        _models.Write(Path.Combine(name, file), "{}");
    }
}
