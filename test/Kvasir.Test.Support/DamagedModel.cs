using System.Runtime.InteropServices;
using Kvasir.Files;

namespace Kvasir.Test.Support;

/// <summary>The bundled model with one weight that is no number.</summary>
internal static class DamagedModel
{
    /// <param name="tensor">Of type F32, by its name in the file.</param>
    /// <param name="index">Of the weight.</param>
    /// <returns>The file.</returns>
    public static string Write(TempFolder folder, string tensor, float value, int index = 100)
    {
        var bytes = File.ReadAllBytes(TestModels.StoriesGguf);
        using (var file = Gguf.Open(TestModels.StoriesGguf))
        {
            Assert.True(((ITensorSource)file).TryFind(tensor, out var stored));
            var start = bytes.AsSpan().IndexOf(stored.View.Span(0, 256));
            Assert.True(start > 0);
            MemoryMarshal.Write(bytes.AsSpan(start + (index * sizeof(float))), value);
        }

        return folder.Write("damaged.gguf", bytes);
    }
}
